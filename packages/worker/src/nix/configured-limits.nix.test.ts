import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { readConfiguredLimits } from "./configured-limits.ts";

async function limitsOf(files: Record<string, string>, variables: Record<string, string> = {}) {
  const HOME = await temporaryDirectory();
  const NIX_CONF_DIR = join(HOME, "system");
  await mkdir(NIX_CONF_DIR);
  await mkdir(join(HOME, ".config/nix"), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(HOME, name), text);
  const places = { PATH: process.env["PATH"] ?? "", HOME, NIX_CONF_DIR };
  return readConfiguredLimits({ environment: { ...places, ...variables } });
}

const NONE = { timeoutSeconds: null, maxSilentSeconds: null };

test("limits of builds are those that Nix's files and NIX_CONFIG have", async () => {
  expect(await limitsOf({ "system/nix.conf": "timeout = 7\n" })).toEqual({
    ...NONE,
    timeoutSeconds: 7,
  });
  const user = { ".config/nix/nix.conf": "cores = 1\nmax-silent-time = 8\n" };
  expect(await limitsOf(user, { NIX_CONFIG: "timeout = 9" })).toEqual({
    timeoutSeconds: 9,
    maxSilentSeconds: 8,
  });
  const included = {
    "system/nix.conf": "include more.conf\n",
    "system/more.conf": "timeout = 3\n",
  };
  expect(await limitsOf(included)).toEqual({ ...NONE, timeoutSeconds: 3 });
});

test("without any there is no limit, and Nix is not asked", async () => {
  const files = { "system/nix.conf": "connect-timeout = 5\n# timeout = 3\n" };
  expect(await limitsOf(files, { PATH: "/nonexistent" })).toEqual(NONE);
});
