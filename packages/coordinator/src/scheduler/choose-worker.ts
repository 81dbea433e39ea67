import type { OrganizationId, WorkerId } from "@gradient/protocol";
import { fits, grantOf, leastMemory, type Amounts, type WorkerSize } from "./demand.ts";
import { goesBefore, type ReadyBuild, type ReadyGroup, type ReadyQueue } from "./ready-queue.ts";

/** What the choice has to know of a connected worker. */
export interface BuildSeat {
  readonly worker: WorkerId;
  /** Organizations whose builds it may get: a valid token and the switch in the registration. Empty means none. */
  readonly organizations: ReadonlySet<OrganizationId>;
  readonly systems: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  readonly size: WorkerSize;
  /** What is not set aside for builds that it holds. */
  readonly free: Amounts;
  /** What would be free if the smallest of its builds ended. */
  readonly freeNext: Amounts;
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

/** For so long others may go before a build that is first in order and for which no worker has room; then one worker makes room for it. */
const PATIENCE_MS = 60_000;

/** Whether the worker may build what is in the group and has what that takes, leaving aside how large it is. */
export function isAble(
  seat: BuildSeat,
  group: Pick<ReadyGroup, "organization" | "system" | "requiredFeatures">,
): boolean {
  return (
    seat.organizations.has(group.organization) &&
    // Builds of this system run inside Nix itself, on any machine.
    (group.system === "builtin" || seat.systems.has(group.system)) &&
    group.requiredFeatures.every((feature) => seat.features.has(feature))
  );
}

/** Whether the worker could build what is in the group, now or later. */
export function isQualified(seat: BuildSeat, group: ReadyGroup): boolean {
  const { demand } = group;
  return (
    isAble(seat, group) &&
    leastMemory(demand) <= seat.size.memoryBytes &&
    (demand.minCores ?? 0) <= seat.size.cores
  );
}

/** The first build of a group, with those who could build it and those who have room for it now. */
interface Candidate {
  readonly build: ReadyBuild;
  readonly qualified: readonly BuildSeat[];
  readonly open: readonly BuildSeat[];
}

/** Where the inputs of builds are. */
export interface InputPlaces {
  /** Whether the worker need not wait for an input that another one still uploads. */
  isReachable(build: ReadyBuild, worker: WorkerId): boolean;
  /** How many of the build's direct inputs each worker has made itself; asked only when more than one worker is left. */
  countByMaker(build: ReadyBuild): ReadonlyMap<WorkerId, number>;
}

/** The first build in order that some worker can take, and the worker for it. Locality chooses only the worker, never the build. */
export function chooseNext(
  queue: ReadyQueue,
  seats: readonly BuildSeat[],
  now: number,
  inputs: InputPlaces,
): Choice | null {
  if (seats.every(({ freeSlots, aheadSlots }) => freeSlots === 0 && aheadSlots === 0)) return null;
  let best: Candidate | null = null;
  let held: BuildSeat | null = null;
  for (const { group, head } of queue.heads()) {
    // What follows comes later in the order.
    if (best !== null && goesBefore(best.build, head)) break;
    const candidate = candidateOf(queue, group, seats, { now, inputs });
    if (candidate === null) continue;
    const open = candidate.open.filter((seat) => seat !== held);
    if (open.length > 0) {
      const isFirst = best === null || goesBefore(candidate.build, best.build);
      if (isFirst) best = { ...candidate, open };
    } else if (held === null && now - candidate.build.readyAt >= PATIENCE_MS) {
      held = seatToHold(candidate);
    }
  }
  if (best === null) return null;
  const seat = chooseSeat(best.build, best.open, inputs);
  return seat === null ? null : { build: best.build, worker: seat.worker };
}

function candidateOf(
  queue: ReadyQueue,
  group: ReadyGroup,
  seats: readonly BuildSeat[],
  { now, inputs }: { now: number; inputs: InputPlaces },
): Candidate | null {
  const able = seats.filter((seat) => isQualified(seat, group));
  if (able.length === 0) return null;
  const qualified = largeEnough(able, group);
  const roomy = qualified.filter((seat) => hasRoom(seat, group));
  // One that has declined it is not asked again soon, but may still be the one to make room.
  const isWilling = (build: ReadyBuild) => (seat: BuildSeat) =>
    !queue.hasDeclined(build.attempt, seat.worker, now) && inputs.isReachable(build, seat.worker);
  const asked = roomy.length > 0 ? roomy : qualified;
  const build = queue.first(group, (candidate) => asked.some(isWilling(candidate)));
  return build === null ? null : { build, qualified, open: roomy.filter(isWilling(build)) };
}

/** Those that have what is expected to be needed; when none has, the largest ones. */
function largeEnough(qualified: readonly BuildSeat[], { demand }: ReadyGroup): BuildSeat[] {
  const wanted = demand.estimate.memoryBytes ?? 0;
  const largest = Math.max(0, ...qualified.map(({ size }) => size.memoryBytes));
  return qualified.filter(({ size }) => size.memoryBytes >= Math.min(wanted, largest));
}

function hasRoom(seat: BuildSeat, { demand }: ReadyGroup): boolean {
  // An idle worker can do no more than give all that it has.
  if (seat.heldBuilds === 0) return seat.freeSlots > 0;
  if (seat.freeSlots > 0) return fits(demand, seat.size, seat.free);
  return seat.aheadSlots > 0 && fits(demand, seat.size, seat.freeNext);
}

/** Whether the worker can take the build beside those that it runs, to begin when one of them has ended. */
export function canTakeAhead(seat: BuildSeat, group: ReadyGroup): boolean {
  return (
    seat.aheadSlots > 0 && isQualified(seat, group) && fits(group.demand, seat.size, seat.freeNext)
  );
}

/** Memory that would be set aside for a build, and what the worker has left that lacks least for it. */
export interface MissingMemory {
  readonly neededBytes: number;
  readonly freeBytes: number;
}

/** What a ready build waits for although a worker has a free slot; null when it is not for memory. */
export function missingMemory(
  build: ReadyBuild,
  seats: readonly BuildSeat[],
): MissingMemory | null {
  const able = seats.filter((seat) => isQualified(seat, build));
  const qualified = largeEnough(able, build).filter(({ freeSlots }) => freeSlots > 0);
  if (qualified.some((seat) => hasRoom(seat, build))) return null;
  const seat = seatToHold({ build, qualified });
  if (seat === null) return null;
  const neededBytes = grantOf(build.demand, seat.size).reserved.memoryBytes;
  const freeBytes = Math.max(seat.free.memoryBytes, 0);
  return neededBytes > freeBytes ? { neededBytes, freeBytes } : null;
}

/** The worker that takes nothing else until it has room for the build: the one that lacks least for it. */
function seatToHold({
  build,
  qualified,
}: Pick<Candidate, "build" | "qualified">): BuildSeat | null {
  const missing = ({ size, free }: BuildSeat): number =>
    grantOf(build.demand, size).reserved.memoryBytes - free.memoryBytes;
  return qualified.reduce<BuildSeat | null>(
    (best, seat) => (best === null || missing(seat) < missing(best) ? seat : best),
    null,
  );
}

/** A free slot first, then most inputs, then least load. */
function chooseSeat(
  build: ReadyBuild,
  able: readonly BuildSeat[],
  places: InputPlaces,
): BuildSeat | null {
  const free = able.filter((seat) => seat.freeSlots > 0);
  const candidates = free.length > 0 ? free : able;
  if (candidates.length <= 1) return candidates[0] ?? null;
  const inputs = places.countByMaker(build);
  const countOf = (seat: BuildSeat) => inputs.get(seat.worker) ?? 0;
  return candidates.reduce((best, seat) => {
    const difference = countOf(seat) - countOf(best);
    if (difference !== 0) return difference > 0 ? seat : best;
    return seat.heldBuilds < best.heldBuilds ? seat : best;
  });
}
