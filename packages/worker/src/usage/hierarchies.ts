import { readFileSync } from "node:fs";
import path from "node:path";

/** One mounted control group hierarchy, with the group that this process is in. */
export interface Hierarchy {
  version: 1 | 2;
  /** Empty for version 2, where a group's `cgroup.controllers` tells. */
  controllers: readonly string[];
  /** Directory of our own group. */
  directory: string;
}

/**
 * Hierarchies of this machine that can be seen from here, version 2 first. Machines have only version 2, only version 1,
 * or both with the controllers spread over them.
 */
export function findHierarchies(procDirectory: string): Hierarchy[] {
  const read = (name: string): string => readText(path.join(procDirectory, "self", name));
  return parseHierarchies(read("mountinfo"), read("cgroup"));
}

/** From the texts of /proc/self/mountinfo and /proc/self/cgroup (proc(5), cgroups(7)), version 2 first. */
export function parseHierarchies(mountinfo: string, membership: string): Hierarchy[] {
  const groups = parseMembership(membership);
  const found = new Map<string, Hierarchy>();
  for (const mount of parseMounts(mountinfo)) {
    const key = mount.controllers.toSorted().join(",");
    const group = groups.get(key);
    if (group === undefined || found.has(key)) continue;
    const directory = directoryOf(mount, group);
    if (directory === null) continue;
    found.set(key, { version: mount.version, controllers: mount.controllers, directory });
  }
  return [...found.values()].toSorted((a, b) => b.version - a.version);
}

/** Directory of any group of version 2, or null when no mount shows it. */
export function version2Directory(mountinfo: string, group: string): string | null {
  for (const mount of parseMounts(mountinfo)) {
    const directory = mount.version === 2 ? directoryOf(mount, group) : null;
    if (directory !== null) return directory;
  }
  return null;
}

/**
 * A mount may show only a part of the hierarchy; a group outside of that part can not be reached: null. Names are those of our control group namespace, so that a mount which was made
 * outside of it has a root like `/../..` (cgroup_namespaces(7)): where we are below that, it does not tell.
 */
function directoryOf({ root, mountPoint }: Mount, group: string): string | null {
  const [above, below] = [partsOf(root), partsOf(group)];
  if (above.some((part, at) => part !== below[at])) return null;
  const rest = below.slice(above.length);
  return rest.includes("..") ? null : path.join(mountPoint, ...rest);
}

function partsOf(group: string): string[] {
  return group.split("/").filter((part) => part !== "");
}

/** /proc/self/cgroup: `4:memory:/path`, and `0::/path` for version 2. Keyed by the sorted controllers. */
function parseMembership(text: string): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const [, controllers = "", group = "/"] = match;
    groups.set(controllers.split(",").toSorted().join(","), group);
  }
  return groups;
}

interface Mount {
  version: 1 | 2;
  controllers: string[];
  root: string;
  mountPoint: string;
}

/** proc(5), mountinfo: `id parent device root mountpoint options [optional...] - type source superoptions`. */
function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = before.split(" ").map(unescapeOctal);
    const [type, , options = ""] = after.split(" ");
    if (type === "cgroup2") mounts.push({ version: 2, controllers: [], root, mountPoint });
    if (type !== "cgroup") continue;
    const controllers = options.split(",").filter((option) => !MOUNT_OPTIONS.test(option));
    mounts.push({ version: 1, controllers, root, mountPoint });
  }
  return mounts;
}

/** What stands beside the controllers in a version 1 mount's options. */
const MOUNT_OPTIONS =
  /^(rw|ro|all|none|xattr|noprefix|clone_children|cpuset_v2_mode|release_agent=.*)$/;

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Empty where it is not shown. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
