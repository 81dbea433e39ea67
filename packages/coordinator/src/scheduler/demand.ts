import type { Estimate } from "./history.ts";

/** What a derivation says of its own build (`NIXBUILDNET_MIN_CPU` and the like); null where it says nothing. */
export interface StatedNeeds {
  readonly minMemoryBytes: number | null;
  readonly maxMemoryBytes: number | null;
  readonly minCores: number | null;
  readonly maxCores: number | null;
}

/** What an attempt asks of a worker. */
export interface Demand extends StatedNeeds {
  /** Memory that it has to get, no less and no more: an earlier attempt ran out of less. null for the others. */
  readonly exactMemoryBytes: number | null;
  /** From earlier runs. */
  readonly estimate: Estimate;
}

/** Of a build that states nothing and of which nothing is known. */
export const NO_DEMAND: Demand = {
  minMemoryBytes: null,
  maxMemoryBytes: null,
  minCores: null,
  maxCores: null,
  exactMemoryBytes: null,
  estimate: { memoryBytes: null, cores: null },
};

/** Size of a worker. */
export interface WorkerSize {
  readonly cores: number;
  readonly memoryBytes: number;
  /** Builds that it runs at once. */
  readonly slots: number;
}

/** What is set aside for builds, or free. Cores have fractions: a build that waits for its disk half of the time needs half of one. */
export interface Amounts {
  readonly memoryBytes: number;
  readonly cores: number;
}

/** What an attempt gets of one worker. */
export interface Grant {
  /** What of the worker is not given to others. */
  readonly reserved: Amounts;
  /** Cores that the API tells. Those that others leave idle may be used as well, unless `coreLimit` says no. */
  readonly cpuCount: number;
  /** What the kernel holds the build to; null for nothing. */
  readonly memoryLimitBytes: number | null;
  readonly coreLimit: number | null;
}

/** Memory that a worker has to have for it, at least. */
export function leastMemory(demand: Demand): number {
  return Math.max(demand.exactMemoryBytes ?? 0, demand.minMemoryBytes ?? 0);
}

/** What is meant for each of the builds that a worker runs at once. */
export function shareOf({ cores, memoryBytes, slots }: WorkerSize): Amounts {
  const parts = Math.max(1, slots);
  return { cores: cores / parts, memoryBytes: Math.floor(memoryBytes / parts) };
}

/**
 * The estimate, or the worker's share where nothing is known, between what the derivation states as smallest and largest. Whatever is reserved, a
 * build may use its share of the memory: the estimate is from other builds, and a limit just above it would end what could well go on.
 */
export function grantOf(demand: Demand, worker: WorkerSize): Grant {
  const share = shareOf(worker);
  const { exactMemoryBytes: exact, minMemoryBytes, maxMemoryBytes, maxCores } = demand;
  const { memoryBytes: memory, cores } = demand.estimate;
  const wanted = exact ?? between(memory ?? share.memoryBytes, minMemoryBytes, maxMemoryBytes);
  const memoryBytes = Math.min(wanted, worker.memoryBytes);
  return {
    reserved: { memoryBytes, cores: busyCores(demand, worker) },
    cpuCount:
      cores === null
        ? Math.min(maxCores ?? worker.cores, worker.cores)
        : Math.min(between(Math.ceil(1.25 * cores), demand.minCores, maxCores), worker.cores),
    memoryLimitBytes: exact ?? limitOf(demand, Math.max(memoryBytes, share.memoryBytes)),
    coreLimit: maxCores,
  };
}

/** What nothing is known of is held to what it states alone. */
function limitOf({ estimate, maxMemoryBytes }: Demand, bytes: number): number | null {
  if (estimate.memoryBytes === null) return maxMemoryBytes;
  return Math.min(bytes, maxMemoryBytes ?? Infinity);
}

function busyCores(demand: Demand, worker: WorkerSize): number {
  const { minCores, maxCores, estimate } = demand;
  const wanted = between(estimate.cores ?? shareOf(worker).cores, minCores, maxCores);
  return Math.min(wanted, worker.cores);
}

/** Sums of fractions are not exact. */
const SLACK = 1e-6;

/** A core that has nothing to do for half of the time is worth another build: with two of 1.25 cores each, two cores are busier than with one. */
const WORTHWHILE_CORES = 0.5;

/**
 * Whether a build can begin beside what runs. Its memory has to be free. Of cores half a one is enough, as sharing them only takes longer,
 * unless the derivation states how many it needs.
 */
export function fits(demand: Demand, worker: WorkerSize, free: Amounts): boolean {
  const { memoryBytes, cores } = grantOf(demand, worker).reserved;
  const neededCores = demand.minCores ?? Math.min(cores, WORTHWHILE_CORES);
  return memoryBytes <= free.memoryBytes && neededCores <= free.cores + SLACK;
}

function between(amount: number, least: number | null, most: number | null): number {
  return Math.max(Math.min(amount, most ?? Infinity), least ?? 0);
}
