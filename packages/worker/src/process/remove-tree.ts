import { runProcess } from "./run.ts";

const TIMEOUT_MS = 10 * 60_000;

/**
 * Removes a tree whose directories nobody may write, as a build leaves them, while others may still change it: unlike Node's own `rm`
 * the program follows no link that takes a directory's place meanwhile. Rejects with a ProcessError when something is left.
 */
export async function removeTree(
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const run = (command: string, args: readonly string[]): Promise<unknown> =>
    runProcess({
      command,
      args: [...args, "--", directory],
      env: environment,
      timeoutMs: TIMEOUT_MS,
    });
  if (process.getuid?.() !== 0) await run("chmod", ["-R", "u+w"]).catch(() => {});
  await run("rm", ["-rf"]);
}
