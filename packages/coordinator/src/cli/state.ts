import type { Command } from "@commander-js/extra-typings";
import { addStateCheck } from "./state-check.ts";
import type { Surroundings } from "./surroundings.ts";

/** `state ...`: what a file declares of the farm. */
export function addState(program: Command, surroundings: Surroundings): void {
  const state = program
    .command("state")
    .description("users, organizations, caches, projects, workers and keys that a file declares");
  addStateCheck(state, surroundings);
}
