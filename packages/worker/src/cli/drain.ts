import { loadIdentityConfig } from "../config/load.ts";
import { askToDrain, askToDrainAndWait } from "../status/client.ts";
import type { WorkerStatus } from "../status/status.ts";
import { formatCount } from "../text/quantities.ts";
import type { Invocation } from "./program.ts";

/** Resolves to 1 when the worker ended before it was done: somebody stopped it. */
export async function drain({ sources, options }: Invocation): Promise<number> {
  const { stateDir } = loadIdentityConfig(sources);
  if (options["wait"] !== true) {
    say(`draining, with ${leftOf(await askToDrain(stateDir))} to go`);
    return 0;
  }
  const last = await askToDrainAndWait(stateDir, () => say("draining"));
  const isDone = last.jobs.length === 0 && last.resultsWaiting === 0;
  say(isDone ? "drained" : `it ended with ${leftOf(last)} to go`);
  return isDone ? 0 : 1;
}

function leftOf({ jobs, resultsWaiting }: WorkerStatus): string {
  return `${formatCount(jobs.length, "job")} and ${formatCount(resultsWaiting, "result")}`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
