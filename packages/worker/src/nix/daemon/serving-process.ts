import { readdirSync, readFileSync, readlinkSync } from "node:fs";
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

/**
 * The process that serves us and did not before. Where there are more, several daemons were called at the same time: then the
 * one that has the other end of a connection to this socket. null when that leaves none, or more than one.
 */
export function newServingProcess(before: ReadonlySet<number>, socket: string): number | null {
  let found = [...servingProcesses()].filter((each) => !before.has(each));
  if (found.length > 1) {
    const inodes = socketsAt(socket);
    found = found.filter((pid) => openSockets(pid).some((each) => inodes.has(each)));
  }
  const [pid, ...others] = found;
  return pid === undefined || others.length > 0 ? null : pid;
}

/** Inodes of a daemon's ends of its connections, as /proc/net/unix has them: those have the path that it listens at. */
function socketsAt(socket: string): Set<string> {
  const lines = read("/proc/net/unix").split("\n");
  return new Set(
    lines.flatMap((line) =>
      line.endsWith(` ${socket}`) ? (line.trim().split(/\s+/)[6] ?? []) : [],
    ),
  );
}

/** Inodes of a process's sockets; of other users' processes only root sees them. */
function openSockets(pid: number): string[] {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).flatMap(
      (name) => /^socket:\[(\d+)\]$/.exec(readlinkSync(path.join(directory, name)))?.[1] ?? [],
    );
  } catch {
    return [];
  }
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
