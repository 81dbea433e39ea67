import { loadConfig } from "../config/load.ts";
import { createLogger } from "../logger.ts";
import { runWorker } from "../main.ts";
import type { Invocation } from "./program.ts";

/** Runs the daemon until it is drained or told to stop: the first signal lets running jobs finish for a while, the second ends them. */
export async function run({ sources, environment }: Invocation): Promise<void> {
  const config = loadConfig(sources);
  const logger = createLogger(config.logLevel);
  const stop = new AbortController();
  const hurry = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    const isSecond = stop.signal.aborted;
    logger.info({ signal }, isSecond ? "stopping at once" : "stopping");
    if (isSecond) hurry.abort();
    else stop.abort();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  try {
    await runWorker({ config, environment, logger, stop: stop.signal, hurry: hurry.signal });
  } finally {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  }
}
