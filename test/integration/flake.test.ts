import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NixRoot } from "../support/nix-root.ts";
import { root } from "../support/programs.ts";

/** What evaluating the flake reads. */
const FILES = [
  "flake.nix",
  "nixos-module",
  "package-lock.json",
  "packages/coordinator/package.json",
  "packages/worker/package.json",
  "test/nix",
];

/** Newer versions of Nix show no other one. */
const SYSTEM = process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux";

let directory: string;
let store: NixRoot;

beforeAll(async () => {
  directory = await mkdtemp(join(process.env["GRADIENT_TEST_DIR"] ?? tmpdir(), "gradient-flake-"));
  for (const file of FILES)
    await cp(join(root, file), join(directory, "flake", file), { recursive: true });
  store = await NixRoot.make(join(directory, "store"));
});
afterAll(async () => {
  await store.remove();
  await rm(directory, { recursive: true });
});

/** `nix flake ...` on our flake, with the stand-in as nixpkgs. */
function flake(...argv: string[]): Promise<string> {
  const features = ["--extra-experimental-features", "nix-command flakes"];
  const nixpkgs = ["--override-input", "nixpkgs", `path:${join(directory, "flake/test/nix")}`];
  const place = [...nixpkgs, "--no-write-lock-file", `path:${join(directory, "flake")}`];
  return store.nix("nix", [...features, "flake", ...argv, ...place]);
}

test("the flake has packages, an overlay, modules and checks", async () => {
  const shown = JSON.parse(await flake("show", "--json")) as object;
  const packages = {
    "gradient-coordinator": expect.objectContaining({ type: "derivation" }),
    "gradient-worker": expect.objectContaining({ type: "derivation" }),
  };
  const checks = {
    commands: expect.objectContaining({ name: "gradient-commands" }),
    units: expect.objectContaining({ name: "gradient-units" }),
  };
  expect(shown).toMatchObject({
    packages: { [SYSTEM]: packages },
    overlays: { default: { type: "nixpkgs-overlay" } },
    nixosModules: { coordinator: {}, default: {}, deploy: {}, worker: {} },
    checks: { [SYSTEM]: checks },
  });
}, 60_000);

test("nix flake check finds nothing, with a machine that is everything at once", async () => {
  await expect(flake("check", "--no-build")).resolves.toBe("");
}, 120_000);
