import type { OrganizationId, WorkerId } from "@gradient/protocol";
import { goesBefore, type ReadyBuild, type ReadyGroup, type ReadyQueue } from "./ready-queue.ts";

/** What the choice has to know of a connected worker. */
export interface BuildSeat {
  readonly worker: WorkerId;
  /** Organizations whose builds it may get: a valid token and the switch in the registration. Empty means none. */
  readonly organizations: ReadonlySet<OrganizationId>;
  readonly systems: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  readonly memoryBytes: number;
  /** Builds that would start at once. */
  readonly freeSlots: number;
  /** Builds that it may get on top, to fetch their inputs while others still build. */
  readonly aheadSlots: number;
  /** Builds that it holds. */
  readonly heldBuilds: number;
}

export interface Choice {
  readonly build: ReadyBuild;
  readonly worker: WorkerId;
}

/** Whether the worker could build what is in the group, now or later. */
export function isQualified(seat: BuildSeat, group: ReadyGroup): boolean {
  return (
    seat.organizations.has(group.organization) &&
    // Builds of this system run inside Nix itself, on any machine.
    (group.system === "builtin" || seat.systems.has(group.system)) &&
    group.requiredFeatures.every((feature) => seat.features.has(feature)) &&
    (group.memoryBytes === null || group.memoryBytes <= seat.memoryBytes)
  );
}

/**
 * The first build in order that some worker can take, and the worker for it. Locality chooses only the worker, never the build.
 * `countInputs` says how many of the build's direct inputs each worker has made itself; it is asked only when more than one worker is left.
 */
export function chooseNext(
  queue: ReadyQueue,
  seats: readonly BuildSeat[],
  now: number,
  countInputs: (build: ReadyBuild) => ReadonlyMap<WorkerId, number>,
): Choice | null {
  const open = seats.filter((seat) => seat.freeSlots > 0 || seat.aheadSlots > 0);
  let best: { build: ReadyBuild; able: BuildSeat[] } | null = null;
  for (const group of queue.groups()) {
    const able = open.filter((seat) => isQualified(seat, group));
    if (able.length === 0) continue;
    const isWilling = (build: ReadyBuild) => (seat: BuildSeat) =>
      !queue.hasDeclined(build.attempt, seat.worker, now);
    const build = queue.first(group, (candidate) => able.some(isWilling(candidate)));
    if (build === null || (best !== null && !goesBefore(build, best.build))) continue;
    best = { build, able: able.filter(isWilling(build)) };
  }
  if (best === null) return null;
  const seat = chooseSeat(best.build, best.able, countInputs);
  return seat === null ? null : { build: best.build, worker: seat.worker };
}

/** A free slot first, then most inputs, then least load. */
function chooseSeat(
  build: ReadyBuild,
  able: readonly BuildSeat[],
  countInputs: (build: ReadyBuild) => ReadonlyMap<WorkerId, number>,
): BuildSeat | null {
  const free = able.filter((seat) => seat.freeSlots > 0);
  const candidates = free.length > 0 ? free : able;
  if (candidates.length <= 1) return candidates[0] ?? null;
  const inputs = countInputs(build);
  const countOf = (seat: BuildSeat) => inputs.get(seat.worker) ?? 0;
  return candidates.reduce((best, seat) => {
    const difference = countOf(seat) - countOf(best);
    if (difference !== 0) return difference > 0 ? seat : best;
    return seat.heldBuilds < best.heldBuilds ? seat : best;
  });
}
