import { readFileSync } from "node:fs";
import path from "node:path";
import { GroupFiles } from "./group-files.ts";
import { version2Directory } from "./hierarchies.ts";

/** Nix names the group of a build after its user, or after its own process (libstore, `use-cgroups`). */
const GROUP_OF_BUILD = /\/nix-build-(uid|pid)-[\d-]+(\/|$)/;

const NO_V1 = { cpu: null, cpuacct: null, memory: null, pids: null, blkio: null };

/**
 * Opens the control group that Nix itself made for a build, where `use-cgroups` is on: it can be read by everybody. null when
 * none of the processes is in one.
 */
export function openNixGroup(procDirectory: string, pids: readonly number[]): GroupFiles | null {
  for (const pid of pids) {
    const membership = read(path.join(procDirectory, String(pid), "cgroup"));
    const group = /^0::(.*)$/m.exec(membership)?.[1] ?? "";
    if (!GROUP_OF_BUILD.test(group)) continue;
    const directory = version2Directory(read(path.join(procDirectory, "self/mountinfo")), group);
    if (directory !== null) return new GroupFiles({ v2: directory, v1: NO_V1 });
  }
  return null;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
