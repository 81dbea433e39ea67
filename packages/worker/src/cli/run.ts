import { compileLater } from "../compile-later.ts";
import { loadConfig, unknownVariables } from "../config/load.ts";
import { createLogger } from "../logger.ts";
import { runWorker } from "../main.ts";
import type { Invocation } from "./program.ts";

/**
 * Runs the daemon until it is drained or told to stop: the first signal lets running jobs finish for a while, the second ends
 * them. After SIGHUP builds go on without it, and the daemon that is started next takes them over.
 */
export async function run({ sources, environment }: Invocation): Promise<void> {
  compileLater();
  const config = loadConfig(sources);
  const logger = createLogger(config.logLevel);
  const variables = unknownVariables(environment);
  if (variables.length > 0)
    logger.warn({ variables }, "variables that are no settings are not used");
  const stop = new AbortController();
  const hurry = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    const isSecond = stop.signal.aborted;
    logger.info({ signal }, isSecond ? "stopping at once" : "stopping");
    if (isSecond) hurry.abort();
    else stop.abort();
  };
  const leave = new AbortController();
  const onHangup = (): void => leave.abort();
  process.on("SIGHUP", onHangup);
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  try {
    await runWorker({
      config,
      environment,
      logger,
      stop: stop.signal,
      hurry: hurry.signal,
      leave: leave.signal,
    });
  } finally {
    process.off("SIGHUP", onHangup);
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  }
}
