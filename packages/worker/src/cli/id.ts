import { loadIdentityConfig } from "../config/load.ts";
import { loadWorkerId } from "../identity/worker-id.ts";
import type { Invocation } from "./program.ts";
import { writeOut } from "./standard-output.ts";

/** Prints the worker's id on standard output. */
export async function printWorkerId({ sources }: Invocation): Promise<void> {
  const { stateDir, workerId } = loadIdentityConfig(sources);
  await writeOut(`${await loadWorkerId(stateDir, workerId)}\n`);
}
