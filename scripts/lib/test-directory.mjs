import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAME = /^gradient-tests-(\d+)$/;

/**
 * Gives a run of tests a directory of its own for temporary files, in which whatever they start finds itself, too. It goes when this
 * process ends, with what tests have left that failed or were ended; that of a run that was killed goes with the next one.
 */
export function useTestDirectory({ parent = tmpdir(), env = process.env } = {}) {
  for (const name of readdirSync(parent)) {
    const pid = Number(NAME.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isNaN(pid) && !isAlive(pid)) remove(join(parent, name));
  }
  const directory = join(parent, `gradient-tests-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  // As /tmp: builds run as users of their own.
  chmodSync(directory, 0o1777);
  env.TMPDIR = directory;
  process.once("exit", () => remove(directory));
  return directory;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** What another user left stays. */
function remove(directory) {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    // The next run tries again.
  }
}
