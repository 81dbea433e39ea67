import { existsSync, readdirSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const GROUPS = "/sys/fs/cgroup";

/** Pids of living processes with a text in their command line. */
export async function processesNaming(text: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_pid, index) => lines[index]?.includes(text)).map(Number);
}

/** Control groups that a process with this pid made for what it ran. */
export function groupsMadeBy(pid: number): string[] {
  if (!existsSync(GROUPS)) return [];
  const hierarchies = readdirSync(GROUPS, { withFileTypes: true }).filter((each) =>
    each.isDirectory(),
  );
  return ["", ...hierarchies.map(({ name }) => name)].flatMap((hierarchy) =>
    readdirSync(join(GROUPS, hierarchy))
      .filter((name) => name.startsWith(`gradient-worker-${pid}-`))
      .map((name) => join(GROUPS, hierarchy, name)),
  );
}
