import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { ProcessError } from "./process-error.ts";
import type { ProcessRequest } from "./start.ts";

/**
 * Starts a program that outlives this process: in a session of its own, with nothing of it tied to us. Resolves once it has
 * written to its standard output; rejects with a ProcessError when it ends before that, or takes longer than `readyMs`.
 */
export async function startDetached(
  request: ProcessRequest & {
    /** Its whole standard input. */
    input: string;
    /** Its standard error is appended to it. */
    errorFile: string;
    readyMs: number;
  },
): Promise<void> {
  const { command, args, env, input, errorFile, readyMs } = request;
  const errors = await open(errorFile, "a", 0o600);
  try {
    const child = spawn(command, args, { env, stdio: ["pipe", "pipe", errors.fd], detached: true });
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error("a child that was given pipes has them");
    const isReady = await new Promise<boolean>((resolve) => {
      stdout.once("data", () => resolve(true));
      for (const event of ["exit", "error"]) child.once(event, () => resolve(false));
      setTimeout(resolve, readyMs, false).unref();
      stdin.on("error", () => {});
      stdin.end(input);
    });
    if (!isReady) {
      child.kill("SIGKILL");
      const message = `${command} did not start: see ${errorFile}`;
      throw new ProcessError("process_not_started", message, { command, isTransient: true });
    }
    stdout.destroy();
    child.unref();
  } finally {
    await errors.close();
  }
}
