import path from "node:path";
import { expect, test } from "vitest";
import { ProcessError } from "../process/process-error.ts";
import { runProcess } from "../process/run.ts";
import { askVersion, findNix, withNixConfig } from "./installation.ts";

const PATH = process.env["PATH"];

test("programs of Nix see what they need of our environment, and nothing that could be a secret", () => {
  const nix = findNix({
    store: "local?root=/var/empty/store",
    environment: {
      PATH,
      HOME: "/var/empty",
      NIX_CONFIG: "cores = 2",
      NIX_REMOTE: "daemon",
      GRADIENT_WORKER_PEERS: "secret",
      AWS_SECRET_ACCESS_KEY: "secret",
    },
  });
  expect(nix.environment).toEqual({
    PATH,
    HOME: "/var/empty",
    NIX_CONFIG: "cores = 2",
    NIX_REMOTE: "local?root=/var/empty/store",
  });
  expect(nix.physicalStoreDirectory).toBe("/var/empty/store/nix/store");
  expect(nix.rootsDirectory).toBe("/var/empty/store/nix/var/nix/gcroots");
  expect(nix.daemonSocket).toBeNull();
});

test("the Nix that is tested is the one that this run is for", async () => {
  const version = await askVersion(findNix({ store: "", environment: { PATH } }));
  const directory = process.env["GRADIENT_TEST_NIX"];
  const { stdout } = await runProcess({
    command: directory === undefined ? "nix" : path.join(directory, "nix"),
    args: ["--version"],
    env: { PATH: PATH ?? "" },
    timeoutMs: 30_000,
  });
  expect(stdout.toString().trim()).toBe(`nix (Nix) ${version}`);
});

test("without a setting it is the machine's store", () => {
  const nix = findNix({ store: "", environment: { PATH, NIX_REMOTE: "daemon" } });
  expect(nix.environment["NIX_REMOTE"]).toBeUndefined();
  expect(nix.physicalStoreDirectory).toBe("/nix/store");
});

test("settings are added to those that are there", () => {
  const added = withNixConfig({ NIX_CONFIG: "cores = 2" }, ["substituters ="]);
  expect(added).toEqual({ NIX_CONFIG: "cores = 2\nsubstituters =" });
  expect(withNixConfig({}, ["a = b"])).toEqual({ NIX_CONFIG: "a = b" });
});

test("a machine without Nix says so", () => {
  const find = (): unknown => findNix({ store: "", environment: { PATH: "/nowhere" } });
  expect(find).toThrow(ProcessError);
  expect(find).toThrow(/nix-store could not be started/);
});
