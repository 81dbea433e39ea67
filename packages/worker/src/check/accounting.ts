import { readFile } from "node:fs/promises";
import path from "node:path";
import type { UsageRecord } from "@gradient/protocol";
import type { UsageMeters } from "../ports.ts";
import { findHierarchies, type Hierarchy } from "../usage/hierarchies.ts";
import { canWrite, exists } from "./directories.ts";
import type { Findings } from "./finding.ts";

/** Version 1 controllers that the worker's groups need. */
const NEEDED = ["cpu", "cpuacct", "memory", "pids", "blkio"];
const DELEGATE =
  "run the worker as root, or as a service with Delegate=yes, with the control groups mounted writable";

/** Which control groups can be seen and used from here. */
export async function checkGroups(findings: Findings): Promise<void> {
  const hierarchies = findHierarchies("/proc");
  const used = hierarchies.filter(
    ({ version, controllers }) =>
      version === 2 || controllers.some((each) => NEEDED.includes(each)),
  );
  const writable: Group[] = [];
  const closed: Group[] = [];
  for (const hierarchy of used) {
    // A mount may lie below another one, which hides it.
    if (!(await exists(path.join(hierarchy.directory, "cgroup.procs")))) continue;
    const isWritable = await canWrite(hierarchy.directory);
    (isWritable ? writable : closed).push(await describeHierarchy(hierarchy));
  }
  if (writable.length + closed.length === 0) {
    findings.warning("control groups", "none can be seen", DELEGATE);
  } else if (closed.length === 0) findings.ok("control groups", described(writable));
  else findings.warning("control groups", `not writable: ${described(closed)}`, DELEGATE);
}

/** One place for version 2, and the controllers of version 1 in one row, though each has a place of its own. */
function described(groups: readonly Group[]): string {
  const first = groups.flatMap(({ version, text }) => (version === 1 ? [text] : []));
  const second = groups.flatMap(({ version, text }) => (version === 2 ? [text] : []));
  return [...second, ...(first.length > 0 ? [`version 1: ${first.join(", ")}`] : [])].join("; ");
}

interface Group {
  readonly version: 1 | 2;
  readonly text: string;
}

async function describeHierarchy({ version, controllers, directory }: Hierarchy): Promise<Group> {
  if (version === 1) return { version, text: controllers.join(", ") };
  const offered = await readFile(path.join(directory, "cgroup.controllers"), "utf8").catch(
    () => "",
  );
  const named = offered.split(/\s+/).filter((word) => word !== "");
  return { version, text: `version 2 (${directory}): ${named.join(", ") || "no controllers"}` };
}

/** How builds are measured and bounded, and whether that was so with a real one. */
export function checkMeters(
  findings: Findings,
  { mode }: UsageMeters,
  trial: UsageRecord | null,
): void {
  const change = mode.advice.join("; ") || DELEGATE;
  const seen = trial === null ? "" : ", seen on a real build";
  const found = `CPU ${mode.cpu}, memory ${mode.memory}, from ${mode.source}`;
  if (trial?.cpuQuality === "none") {
    findings.warning("measuring", `${found}, but a real build could not be measured`, change);
  } else if (mode.cpu === "exact" && mode.memory === "exact") {
    findings.ok("measuring", `${found}${seen}`);
  } else findings.warning("measuring", `${found}${seen}`, change);
  const limits = Object.entries(mode.limits);
  const held = limits.flatMap(([name, isHeld]) => (isHeld ? [name] : []));
  const enforced = `enforced: ${held.join(", ") || "none"}`;
  if (held.length === limits.length) findings.ok("limits", enforced);
  else findings.warning("limits", enforced, change);
}

const TRIAL_BYTES = 64 * 1024 * 1024;

/** Who holds the processes of an evaluation, and the builds that it imports from, to the memory that they may have. */
export async function checkEvaluators(
  findings: Findings,
  meters: UsageMeters,
  { isBehindDaemon, isRoot }: { isBehindDaemon: boolean; isRoot: boolean },
): Promise<void> {
  const limits = { memoryBytes: TRIAL_BYTES, cores: null, hasParts: true };
  const meter = await meters.start("check-evaluators", limits);
  const part = meter.makePart(TRIAL_BYTES);
  await part?.remove();
  await meter.finish([]);
  const watched = "looked at, and ended when it needs more than it may";
  const found = `each is ${part === null ? watched : "held to its memory by the kernel"}`;
  if (!isBehindDaemon || isRoot) return findings.ok("evaluators", found);
  findings.warning(
    "evaluators",
    `${found}; builds that evaluation imports from run in the daemon without limits, for as long as the evaluation may take`,
    "run the worker as root, or with a store of its own (--store)",
  );
}
