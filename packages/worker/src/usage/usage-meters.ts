import type { UsageMeter, UsageMeters } from "../ports.ts";
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
  hasMemoryLimit: boolean;
  versions: string;
}

/**
 * Finds out how attempts can be measured here, and makes the worker's parent groups. Control groups when they can be
 * written and count CPU time, else the processes are looked at.
 */
export async function openUsageMeters(
  options: { procDirectory?: string } = {},
): Promise<UsageMeters & AsyncDisposable> {
  const procDirectory = options.procDirectory ?? "/proc";
  const tree = await GroupTree.open(procDirectory);
  const offer = tree === null ? null : await probe(tree);
  if (tree === null || offer === null || !offer.hasCpu) {
    await tree?.[Symbol.asyncDispose]();
    return processMeters(procDirectory);
  }
  return groupMeters(tree, offer, procDirectory);
}

function groupMeters(
  tree: GroupTree,
  offer: Offer,
  procDirectory: string,
): UsageMeters & AsyncDisposable {
  const sampler = new Sampler(GROUP_INTERVAL_MS);
  return {
    description: describe(offer),
    async start(name, limits) {
      const group = tree.makeLeaf(name, { hasCpuLimit: limits.cores !== null });
      const held = writeLimits(group.directories, { ...limits, processes: MAX_PROCESSES });
      return new GroupMeter({
        group,
        procDirectory,
        held,
        sampler,
        intervalMs: GROUP_INTERVAL_MS,
      });
    },
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

function processMeters(procDirectory: string): UsageMeters & AsyncDisposable {
  const sampler = new Sampler(PROCESS_INTERVAL_MS);
  return {
    description:
      "CPU and memory are sampled from /proc and no limit is enforced: run as root, or in a service with Delegate=yes, " +
      "to measure by control groups",
    async start(): Promise<UsageMeter> {
      return new ProcessMeter({ procDirectory, sampler, intervalMs: PROCESS_INTERVAL_MS });
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
    cores: null,
    processes: MAX_PROCESSES,
  });
  using files = new GroupFiles(group.directories);
  const offer = {
    hasCpu: files.hasCpu,
    hasMemory: files.hasMemory,
    hasMemoryLimit: held.memoryBytes !== null,
    versions: files.versions.join(" and "),
  };
  await group.remove();
  return offer;
}

function describe(offer: Offer): string {
  const cpu = `CPU is counted by control groups (version ${offer.versions})`;
  if (!offer.hasMemory) {
    return `${cpu}; memory is sampled from /proc and not limited: the memory controller is not handed to this group (Delegate=memory)`;
  }
  return offer.hasMemoryLimit
    ? `${cpu}, memory is measured and limited`
    : `${cpu}, memory is measured; limits can not be set`;
}
