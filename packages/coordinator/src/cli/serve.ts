import { setFlagsFromString } from "node:v8";
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
      releaseYoungGeneration();
      surroundings.writeOut(`gradient-coordinator listens on ${coordinator.url}\n`);
      await aborted(surroundings.stop);
      logger.info({}, "coordinator stops");
    });
  addSettings(command);
}

/** The program's first lines hold it small; this is V8's own setting. */
function releaseYoungGeneration(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
