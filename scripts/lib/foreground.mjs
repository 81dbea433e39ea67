import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * Runs a command on this terminal and resolves to its exit code, 128 and the signal's number when a signal ended it.
 *
 * SIGTERM and SIGHUP that reach us go on to it. So does SIGINT, unless we are on a terminal: there Ctrl-C reaches the
 * command itself, and a second one from us could read as impatience.
 */
export function runInForeground(command, args, { cwd, env = process.env } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: "inherit" });
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY);
  const handlers = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => {
    const forward = () => {
      if (signal !== "SIGINT" || !onTerminal) child.kill(signal);
    };
    process.on(signal, forward);
    return () => process.off(signal, forward);
  });
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
  return ended.finally(() => handlers.forEach((remove) => remove()));
}
