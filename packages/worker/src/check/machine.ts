import { statfs } from "node:fs/promises";
import { machineSize } from "../config/machine.ts";
import { formatBytes } from "../text/quantities.ts";
import { canEnterOrRun, nearestDirectory } from "./directories.ts";
import type { Findings } from "./finding.ts";

const OLDEST_NODE = [20, 19] as const;
const GIBIBYTE = 2 ** 30;
/** An evaluation of a large package set alone takes as much. */
const LITTLE_MEMORY_BYTES = 2 * GIBIBYTE;
const LITTLE_DISK_BYTES = 10 * GIBIBYTE;
/** With less not even small builds end well. */
const NO_DISK_BYTES = GIBIBYTE / 2;
/** A clock that stands before this release was made takes valid certificates for ones of the future. */
const RELEASED_AT = Date.UTC(2026, 0, 1);

/** Node, processors, memory, clock. */
export function checkMachine(
  findings: Findings,
  { node, now } = { node: process.versions.node, now: Date.now() },
): void {
  const version = `Node ${node}`;
  if (!isOldNode(node)) findings.ok("node", version);
  else findings.failure("node", version, `install Node ${OLDEST_NODE.join(".")} or newer`);
  const { cores, memoryBytes } = machineSize();
  findings.ok("processors", `${cores} for builds`);
  const memory = `${formatBytes(memoryBytes)} for builds and evaluations`;
  if (memoryBytes < LITTLE_MEMORY_BYTES) {
    findings.warning(
      "memory",
      memory,
      "give the machine 2 GiB or more, or keep evaluations of large package sets off it (--capability-eval false)",
    );
  } else findings.ok("memory", memory);
  const clock = new Date(now).toISOString();
  if (now < RELEASED_AT) {
    findings.failure(
      "clock",
      `it is ${clock} by this machine's clock`,
      "set the clock: TLS fails with a wrong one",
    );
  } else findings.ok("clock", clock);
}

function isOldNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/** Programs start in the worker's own working directory, and do not start at all where that cannot be entered. */
export async function checkWorkingDirectory(findings: Findings): Promise<void> {
  const reason = await reasonNotUsable();
  if (reason === null) return;
  const found = `${reason}: no program can be started from there`;
  findings.failure("working directory", found, "start the worker from another directory");
}

async function reasonNotUsable(): Promise<string | null> {
  try {
    const directory = process.cwd();
    return (await canEnterOrRun(directory)) ? null : `${directory} cannot be entered by this user`;
  } catch {
    return "it was removed";
  }
}

/** Free space where builds, outputs or the worker's own files go. The directory may not be there yet. */
export async function checkDisk(
  findings: Findings,
  name: string,
  directory: string,
): Promise<void> {
  const { bavail, bsize, files, ffree } = await statfs(await nearestDirectory(directory));
  const freeBytes = bavail * bsize;
  const line = `disk for ${name}`;
  const found = `${formatBytes(freeBytes)} free for ${directory}`;
  const change = "make room on its file system";
  if (files > 0 && ffree === 0) findings.failure(line, `no inodes free for ${directory}`, change);
  else if (freeBytes < NO_DISK_BYTES) findings.failure(line, found, change);
  else if (freeBytes < LITTLE_DISK_BYTES) findings.warning(line, found, change);
  else findings.ok(line, found);
}
