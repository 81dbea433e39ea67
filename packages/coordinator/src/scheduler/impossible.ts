import { isAble, isQualified, type BuildSeat } from "./choose-worker.ts";
import type { WorkerSize } from "./demand.ts";
import type { ReadyGroup } from "./ready-queue.ts";

const MEBIBYTE = 2 ** 20;

/** Size of a worker that is not connected and may come back. */
export type AwayWorker = Pick<WorkerSize, "cores" | "memoryBytes">;

/**
 * Why nobody can ever build what is in the group: its derivations ask for more, at least, than any worker has. Null when somebody can, or when
 * it is not known who could: then it waits.
 */
export function impossibility(
  group: ReadyGroup,
  seats: readonly BuildSeat[],
  away: readonly AwayWorker[],
): string | null {
  const able = seats.filter((seat) => isAble(seat, group));
  if (able.length === 0 || able.some((seat) => isQualified(seat, group))) return null;
  const { minMemoryBytes, minCores } = group.demand;
  const leastMemory = minMemoryBytes ?? 0;
  const leastCores = minCores ?? 0;
  const sizes = [...able.map(({ size }) => size), ...away];
  if (sizes.some(({ cores, memoryBytes }) => leastMemory <= memoryBytes && leastCores <= cores)) {
    return null;
  }
  const mostMemory = Math.max(...sizes.map(({ memoryBytes }) => memoryBytes));
  const mostCores = Math.max(...sizes.map(({ cores }) => cores));
  if (leastMemory > mostMemory) {
    return `it asks for at least ${leastMemory / MEBIBYTE} MB of memory (NIXBUILDNET_MIN_MEM), and the largest worker that could build it has ${Math.floor(mostMemory / MEBIBYTE)} MB`;
  }
  if (leastCores > mostCores) {
    return `it asks for at least ${leastCores} cores (NIXBUILDNET_MIN_CPU), and the largest worker that could build it has ${mostCores}`;
  }
  return `it asks for at least ${leastMemory / MEBIBYTE} MB of memory and ${leastCores} cores (NIXBUILDNET_MIN_MEM, NIXBUILDNET_MIN_CPU), and no worker has both`;
}
