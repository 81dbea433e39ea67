import { defineConfig } from "vitest/config";
import { nixTestEnvironments } from "./scripts/lib/nix-releases.mjs";
import { sshdTestEnvironment } from "./scripts/lib/sshd.mjs";
import { useTestDirectory } from "./scripts/lib/test-directory.mjs";

useTestDirectory();

/**
 * Tests run from the TypeScript source of every package: the condition `source` of their exports goes before the
 * conditions of Node itself, so no build is needed and dependencies are the files that the daemons get.
 */
const source = {
  ssr: { resolve: { conditions: ["source", "node", "development|production"] } },
};

/**
 * What meets Nix runs once more with each further version that this machine has (`npm test` installs them): the tests
 * of its formats and of the worker's use of it, one evaluation through the whole farm, our flake, and with the newest the command line alone.
 */
const environments = Object.entries(nixTestEnvironments());
const newest = environments.at(-1)?.[0];
const furtherNix = environments.flatMap(([release, env]) => {
  return [
    {
      ...source,
      test: {
        name: `nix-${release}`,
        include: ["packages/{protocol,worker,coordinator}/src/**/*.nix.test.ts"],
        // What it holds against the kernel's counters is the same with every Nix, and takes long.
        exclude: ["packages/worker/src/nix/usage.nix.test.ts"],
        env,
        pool: "threads" as const,
        isolate: false,
        maxWorkers: "100%",
        testTimeout: 60_000,
        hookTimeout: 60_000,
        sequence: { groupOrder: 1 },
      },
    },
    {
      ...source,
      test: {
        name: `e2e-nix-${release}`,
        include: [
          "test/e2e/first-light.test.ts",
          "test/integration/flake.test.ts",
          ...(release === newest ? ["test/e2e/alone*.test.ts"] : []),
        ],
        env,
        pool: "forks" as const,
        maxWorkers: 2,
        testTimeout: 120_000,
        hookTimeout: 120_000,
        sequence: { groupOrder: 2 },
      },
    },
  ];
});

export default defineConfig({
  test: {
    projects: [
      {
        ...source,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.{ts,tsx}", "scripts/**/*.test.mjs"],
          env: sshdTestEnvironment(),
          pool: "threads",
          isolate: false,
          maxWorkers: "100%",
          // What takes a second by itself takes twenty where others have the processors: only what hangs is to be ended.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...source,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/integration/**/*.test.ts"],
          pool: "forks",
          // Each has a farm of its own, and mostly waits: for leases, for builds, for processes to end.
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      ...furtherNix,
    ],
  },
});
