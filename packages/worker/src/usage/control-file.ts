import { closeSync, openSync, readSync, write, writeSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const writeLater = promisify(write);
const buffer = Buffer.alloc(16 * 1024);

/*
 * Files of the kernel are in memory: reading one takes microseconds, far less than a turn through the thread pool. So they
 * are read and written at once, except where the kernel itself waits.
 */

/** Text of a file, or null when it can not be read. */
export function readControl(directory: string | null, name: string): string | null {
  if (directory === null) return null;
  let descriptor: number;
  try {
    descriptor = openSync(path.join(directory, name), "r");
  } catch {
    return null;
  }
  try {
    return readAll(descriptor);
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}

/** The kernel says no size, and gives at most a page or what fits at once: all is read when nothing more comes. */
function readAll(descriptor: number): string {
  let text = "";
  for (;;) {
    const length = readSync(descriptor, buffer);
    if (length === 0) return text;
    text += buffer.toString("latin1", 0, length);
  }
}

/** False when the file is not there or refuses the value. Never creates a file. */
export function writeControl(directory: string | null, name: string, value: string): boolean {
  if (directory === null) return false;
  let descriptor: number;
  try {
    descriptor = openSync(path.join(directory, name), "r+");
  } catch {
    return false;
  }
  try {
    writeSync(descriptor, value);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}

/** Moves a process into a group: the kernel may take some ten milliseconds. Does nothing when the process is gone. */
export async function writeProcess(directory: string, pid: number): Promise<void> {
  const descriptor = openSync(path.join(directory, "cgroup.procs"), "r+");
  try {
    await writeLater(descriptor, String(pid));
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && error.code === "ESRCH";
    if (!isGone) throw error;
  } finally {
    closeSync(descriptor);
  }
}
