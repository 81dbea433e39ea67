import { errnoOf } from "../error-facts.ts";
import { runCli } from "./program.ts";

/** Leaves time for an orderly stop; then the process ends whatever still holds it. */
const BACKSTOP_MS = 10_000;
/** What a shell gives for a program that SIGPIPE ended. */
const PIPE_CLOSED_EXIT_CODE = 141;

/** The process's entry: connects one command line with the process's streams, environment and signals. */
export async function run(): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => {
    stop.abort();
    // oxlint-disable-next-line unicorn/no-process-exit -- only reached when the orderly stop does not end
    setTimeout(() => process.exit(1), BACKSTOP_MS).unref();
  };
  process.once("SIGTERM", onSignal);
  process.once("SIGINT", onSignal);
  // Without a listener the process would end where it stands, with a stack, once nobody reads what it says.
  process.stdout.on("error", onUnwritten);
  process.stderr.on("error", () => {});
  const exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    writeOut: (text) => void process.stdout.write(text),
    writeErr: (text) => void process.stderr.write(text),
    stop: stop.signal,
  });
  process.exitCode ??= exitCode;
  process.off("SIGTERM", onSignal);
  process.off("SIGINT", onSignal);
}

function onUnwritten(error: Error): void {
  if (errnoOf(error) === "EPIPE") {
    process.exitCode = PIPE_CLOSED_EXIT_CODE;
    return;
  }
  process.exitCode = 1;
  process.stderr.write(`gradient-coordinator: cannot write to standard output: ${error.message}\n`);
}
