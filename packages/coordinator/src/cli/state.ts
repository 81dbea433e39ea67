import type { Command } from "@commander-js/extra-typings";
import { addStateApply } from "./state-apply.ts";
import { addStateCheck } from "./state-check.ts";
import { addStateExport } from "./state-export.ts";
import type { Surroundings } from "./surroundings.ts";

/** `state ...`: what a file declares of the farm. */
export function addState(program: Command, surroundings: Surroundings): void {
  const state = program
    .command("state")
    .description("users, organizations, caches, projects, workers and keys that a file declares");
  addStateCheck(state, surroundings);
  addStateApply(state, surroundings);
  addStateExport(state, surroundings);
}
