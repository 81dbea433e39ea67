import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * Pids of the processes in which a Nix daemon works for this process. The daemon forks for each connection and writes the
 * client's pid over its first argument, so it must have been started with one: the usual units say `--daemon`.
 */
export function servingProcesses(procDirectory = "/proc"): Set<number> {
  const client = String(process.pid);
  const found = new Set<number>();
  for (const name of pidsIn(procDirectory)) {
    const [program = "", argument] = read(path.join(procDirectory, name, "cmdline")).split("\0");
    if (argument === client && /^nix(-daemon)?$/.test(path.basename(program))) {
      found.add(Number(name));
    }
  }
  return found;
}

/** The only process that serves us and did not before; null when there is none, or more than one. */
export function newServingProcess(before: ReadonlySet<number>): number | null {
  const [pid, ...others] = [...servingProcesses()].filter((each) => !before.has(each));
  return pid === undefined || others.length > 0 ? null : pid;
}

function pidsIn(procDirectory: string): string[] {
  return readdirSync(procDirectory).filter((name) => /^\d+$/.test(name));
}

/** Processes come and go, and those of others may be hidden. */
function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
