import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Command } from "@commander-js/extra-typings";
import { createLogger } from "../logger.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `serve`: runs the daemon until it is asked to stop. */
export function addServe(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("serve")
    .description("run the coordinator")
    .action(async (flags) => {
      const config = configOf(flags, surroundings.env);
      const logger = createLogger(config.logLevel);
      // The other commands do not need the daemon, and are quicker without it.
      const { startCoordinator } = await import("../main.ts");
      await using coordinator = await startCoordinator(config, logger);
      settleHeap();
      surroundings.writeOut(`gradient-coordinator listens on ${coordinator.url}\n`);
      await aborted(surroundings.stop);
      logger.info({}, "coordinator stops");
    });
  addSettings(command);
}

/**
 * What V8 does with memory from now on. It looks through the old generation when that has grown to a limit, which depends on how much lived the last time; on a large machine that would be
 * up to four times as much, and before the first time it goes by how much survived while modules were loaded: nearly all.
 */
function settleHeap(): void {
  // The program's first lines hold the young generation small; this is V8's own setting.
  setFlagsFromString("--semi-space-growth-factor=2");
  // By twice of what lived. By as much, as on small machines, it is looked through so often that the slowest requests show it (7 ms).
  setFlagsFromString("--heap-growing-percent=200");
  collectGarbage();
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect === "function") collect();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
