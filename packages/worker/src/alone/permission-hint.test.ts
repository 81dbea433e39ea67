import { expect, test } from "vitest";
import { permissionHint } from "./permission-hint.ts";

const nix = { physicalStoreDirectory: "/home/me/nix/nix/store" };

test.each([
  ["opening lock file '/home/me/nix/nix/store/a.lock': Permission denied", true],
  ["creating directory '/home/me/nix/nix': Permission denied", true],
  ["opening lock file '/home/me/nix/nix/var/nix/db/big-lock': Read-only file system", true],
  ["opening file '/home/me/secret.nix': Permission denied", false],
  ["getting status of '/home/me/nix/nix/store/a': No such file or directory", false],
])("%s", (error, isAboutStore) => {
  expect(permissionHint(error, nix) !== "").toBe(isAboutStore);
});
