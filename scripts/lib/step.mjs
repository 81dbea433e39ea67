import { CommandError } from "./command.mjs";
import { SetupError } from "./setup-error.mjs";

/**
 * Runs one step and prints one line: its name, what came of it and its seconds.
 * `action` resolves to what came of it, in a few words.
 */
export async function runStep(name, action) {
  const startedAt = performance.now();
  process.stdout.write(`${name.padEnd(14)}`);
  try {
    const outcome = await action();
    process.stdout.write(`${outcome}, ${secondsSince(startedAt)}\n`);
  } catch (error) {
    process.stdout.write(`failed, ${secondsSince(startedAt)}\n`);
    throw error;
  }
}

function secondsSince(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

/** Shows why a step failed: all that a failed command printed, the message that says what to do, or a bug's stack. */
export function describeFailure(error) {
  if (error instanceof CommandError) return `${error.output}\n${error.message}`;
  if (error instanceof SetupError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Runs a whole command of the project. A failure is shown on standard error and makes the exit code 1. */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`\n${describeFailure(error)}\n`);
    process.exitCode = 1;
  }
}
