import { expect, test } from "vitest";
import { explain, meetRequirements, requirements } from "./requirements.mjs";

test("a machine that has everything is left alone", async () => {
  await expect(meetRequirements(["git", "nix"])).resolves.toBe("git, nix present");
});

test("the message names all that is missing and the one command that installs it", () => {
  const message = explain([requirements.nix, requirements.busybox]);
  expect(message).toContain("Nix 2.8 or newer (nix, nix-store, nix-instantiate)");
  expect(message).toContain("statically linked busybox");
  expect(message).toContain("apt-get install -y --no-install-recommends nix-bin busybox-static\n");
});
