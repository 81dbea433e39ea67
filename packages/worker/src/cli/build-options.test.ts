import { availableParallelism } from "node:os";
import { Command } from "@commander-js/extra-typings";
import { expect, test } from "vitest";
import { addBuildOptions, readBuildOptions } from "./build-options.ts";

test.each([
  [[], null],
  [["-j", "3"], 3],
  [["--max-jobs", "auto"], availableParallelism()],
])("%j builds %j at once", (argv: string[], maxJobs) => {
  const command = new Command();
  addBuildOptions(command);
  command.parse(argv, { from: "user" });
  expect(readBuildOptions(command.opts()).maxJobs).toBe(maxJobs);
});
