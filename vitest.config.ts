import { defineConfig } from "vitest/config";

/**
 * Tests run from the TypeScript source of every package: the condition `source` of their exports goes before Vite's own
 * conditions for Node, so no build is needed.
 */
const source = {
  ssr: { resolve: { conditions: ["source", "module", "node", "development|production"] } },
};

export default defineConfig({
  test: {
    projects: [
      {
        ...source,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "scripts/**/*.test.mjs"],
          pool: "threads",
          isolate: false,
          maxWorkers: "100%",
          testTimeout: 20_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...source,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/integration/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
