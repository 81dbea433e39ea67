import type { UsageMeter, UsageMeters, UsageMode } from "../ports.ts";
import { type Group, GroupTree } from "./group-tree.ts";
import { GroupFiles, writeLimits } from "./group-files.ts";
import { GroupMeter } from "./group-meter.ts";
import { ProcessMeter } from "./process-meter.ts";
import { Sampler } from "./sampler.ts";

const GROUP_INTERVAL_MS = 100;
/** Looking at processes costs some milliseconds each time, and more with more of them. */
const PROCESS_INTERVAL_MS = 250;
/** No build needs as many at once; a fork bomb does. */
const MAX_PROCESSES = 16_384;

/** What the groups of this machine offer; found out on a leaf that holds nothing. */
interface Offer {
  hasCpu: boolean;
  hasMemory: boolean;
  hasPressure: boolean;
  limits: UsageMode["limits"];
  versions: readonly (1 | 2)[];
}

export interface UsageOptions {
  procDirectory?: string;
  /** Set when builds are made by the system's Nix daemon, and not by children of ours. */
  daemonSocket?: string | null;
}

/**
 * Finds out how attempts can be measured here, and makes the worker's parent groups. Control groups when they can be
 * written and count CPU time, else the processes are looked at.
 */
export async function openUsageMeters(
  options: UsageOptions = {},
): Promise<UsageMeters & AsyncDisposable> {
  const procDirectory = options.procDirectory ?? "/proc";
  const hasDaemon = (options.daemonSocket ?? null) !== null;
  const tree = await GroupTree.open(procDirectory);
  const offer = tree === null ? null : await probe(tree);
  if (tree === null || offer === null || !offer.hasCpu) {
    await tree?.[Symbol.asyncDispose]();
    return processMeters(procDirectory, hasDaemon);
  }
  return groupMeters(tree, offer, { procDirectory, hasDaemon });
}

function groupMeters(
  tree: GroupTree,
  offer: Offer,
  { procDirectory, hasDaemon }: { procDirectory: string; hasDaemon: boolean },
): UsageMeters & AsyncDisposable {
  const sampler = new Sampler(GROUP_INTERVAL_MS);
  const mode = modeOfGroups(offer, hasDaemon && process.getuid?.() !== 0);
  return {
    mode,
    description: describeMode(mode),
    async start(name, limits) {
      const hasCpuLimit = (limits?.cores ?? null) !== null;
      const group = tree.makeLeaf(name, { hasCpuLimit, hasParts: limits?.hasParts ?? false });
      return new GroupMeter({
        group,
        procDirectory,
        limits,
        limit: (each) => writeLimits(group.directories, { ...each, processes: MAX_PROCESSES }),
        canLimitCores: offer.limits.cores,
        sampler,
        intervalMs: GROUP_INTERVAL_MS,
        openProcessMeter: () =>
          new ProcessMeter({ procDirectory, sampler, intervalMs: GROUP_INTERVAL_MS }),
      });
    },
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

function processMeters(procDirectory: string, hasDaemon: boolean): UsageMeters & AsyncDisposable {
  const sampler = new Sampler(PROCESS_INTERVAL_MS);
  const mode = modeOfProcesses(hasDaemon);
  return {
    mode,
    description: describeMode(mode),
    async start(_name, limits): Promise<UsageMeter> {
      const intervalMs = PROCESS_INTERVAL_MS;
      return new ProcessMeter({ procDirectory, sampler, intervalMs, isWaiting: limits === null });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function probe(tree: GroupTree): Promise<Offer | null> {
  let group: Group;
  try {
    group = tree.makeLeaf("probe", { hasCpuLimit: true });
  } catch {
    return null;
  }
  const held = writeLimits(group.directories, {
    memoryBytes: 1 << 30,
    cores: 1,
    processes: MAX_PROCESSES,
  });
  using files = new GroupFiles(group.directories);
  const offer = {
    hasCpu: files.hasCpu,
    hasMemory: files.hasMemory,
    hasPressure: files.final().pressure.cpuMs !== null,
    limits: {
      memory: held.memoryBytes !== null,
      cores: held.cores !== null,
      processes: held.processes !== null,
    },
    versions: files.versions,
  };
  if (!group.removeEmpty()) await group.remove();
  return offer;
}

function modeOfGroups(offer: Offer, isForeign: boolean): UsageMode {
  if (isForeign) return modeOfProcesses(true);
  const { hasMemory, hasPressure, limits, versions } = offer;
  const missing = (["memory", "cpu", "pids"] as const).filter(
    (controller) => !limits[LIMIT_OF[controller]],
  );
  return {
    source: versions.map((version) => `cgroup${version}`).join("+"),
    cpu: "exact",
    // The kernel's own peak says how much a sample can have missed.
    memory: hasMemory ? "exact" : "sampled",
    pressure: hasPressure ? "exact" : "none",
    limits,
    advice:
      missing.length === 0
        ? []
        : [
            `hand these controllers to the worker's group to have more: Delegate=${missing.join(" ")}`,
          ],
  };
}

const LIMIT_OF = { memory: "memory", cpu: "cores", pids: "processes" } as const;

function modeOfProcesses(hasDaemon: boolean): UsageMode {
  return {
    source: "proc",
    cpu: "sampled",
    memory: "sampled",
    pressure: "none",
    limits: { memory: false, cores: false, processes: false },
    advice: [
      hasDaemon
        ? "run the worker as root: only root can put the Nix daemon's builds into control groups"
        : "run as root, or in a service with Delegate=yes, so that builds get control groups of their own",
    ],
  };
}

function describeMode({ source, cpu, memory, pressure, limits, advice }: UsageMode): string {
  const enforced = Object.entries(limits).flatMap(([name, isHeld]) => (isHeld ? [name] : []));
  const facts = [
    `CPU is ${cpu === "exact" ? "counted" : "sampled"} and memory ${memory === "exact" ? "measured" : "sampled"} from ${source}`,
    pressure === "none" ? "pressure is not known" : "pressure is counted",
    enforced.length === 0
      ? "no limit is enforced"
      : `limits of ${enforced.join(", ")} are enforced`,
    ...advice,
  ];
  return facts.join("; ");
}
