import type { LinkFeature, OrganizationId, ToWorker, WorkerId } from "@gradient/protocol";
import { isAhead, type Lease } from "../db/assignment-repository.ts";
import { isQualified, type BuildSeat } from "../scheduler/choose-worker.ts";
import { shareOf, type Amounts, type WorkerSize } from "../scheduler/demand.ts";
import type { ReadyGroup } from "../scheduler/ready-queue.ts";
import type { FleetMember } from "../scheduler/waiting-reason.ts";
import type { Draining } from "./draining.ts";
import type { HeldLease, LeaseBook } from "./lease-book.ts";

/** A worker with an authenticated session, as the queue sees it. */
export interface ConnectedWorker {
  readonly id: WorkerId;
  readonly epoch: number;
  readonly systems: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  readonly maxConcurrentBuilds: number;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What it understands beyond the link's version. */
  readonly linkFeatures: ReadonlySet<string>;
  /** It takes nothing new. */
  readonly isDraining: boolean;
  /** Until when it gets no offer, milliseconds since the epoch. */
  readonly pausedUntil: number;
  /** Every organization that it is registered with and has shown a valid token of. */
  readonly authorized: ReadonlySet<OrganizationId>;
  /** Organizations whose work of this kind it may get: valid token, switch in the registration, capability. */
  organizationsFor(kind: "fetch" | "eval" | "build"): ReadonlySet<OrganizationId>;
  send(message: ToWorker): void;
}

/** Needed for evaluations of a flake with other inputs than its lock file says. */
export const INPUT_OVERRIDES: LinkFeature = "input-overrides";

/** Everybody who is connected now. */
export interface Fleet {
  connected(): Iterable<ConnectedWorker>;
  find(worker: WorkerId): ConnectedWorker | null;
}

/** Whether a worker may still begin what it was offered a while ago. */
export function mayBegin(
  worker: ConnectedWorker | null,
  { organization }: Lease,
  draining: Readonly<Draining>,
): boolean {
  if (draining.isOn || worker === null || worker.isDraining) return false;
  return worker.organizationsFor("build").has(organization);
}

const NOBODY: ReadonlySet<OrganizationId> = new Set();
const NOTHING: Amounts = { memoryBytes: 0, cores: 0 };

/** A build holds a slot until it uploads. */
function holdsSlot({ lease, phase }: HeldLease): boolean {
  return lease.kind === "build" && phase !== "uploading" && phase !== "signing";
}

/** Builds that a worker holds at most, uploads included, for each that it runs at once: uploads that do not come through hold up its builds in the end. */
const HELD_PER_SLOT = 4;

/** All that the worker has, busy or not, as it said when it connected. */
export function sizeOf({ cores, memoryBytes, maxConcurrentBuilds }: ConnectedWorker): WorkerSize {
  return { cores, memoryBytes, slots: maxConcurrentBuilds };
}

/**
 * What a worker could build now, with more builds than the book knows of: what was set aside for each. `changed`: a lease as it will be in the book when the transaction is
 * committed.
 */
export function seatOf(
  worker: ConnectedWorker,
  leases: LeaseBook,
  picked: readonly Amounts[],
  changed: Lease | null = null,
): BuildSeat {
  const size = sizeOf(worker);
  const reserved = [...picked];
  const ahead: Amounts[] = [];
  let uploading = 0;
  for (const { lease: known, phase } of leases.ofWorker(worker.id)) {
    const lease = known.fencing === changed?.fencing ? changed : known;
    if (isAhead(lease)) ahead.push(lease.reserved ?? NOTHING);
    // Of a lease that an older release has made nothing is known.
    else if (holdsSlot({ lease, phase })) reserved.push(lease.reserved ?? shareOf(size));
    else if (lease.kind === "build" && phase === "uploading") uploading += 1;
  }
  const held = reserved.length;
  const max = worker.maxConcurrentBuilds;
  const bound = Math.max(HELD_PER_SLOT * max - uploading - held, 0);
  const freeSlots = Math.min(Math.max(max - held, 0), bound);
  // One more than it can build, so that its inputs are there when a slot is.
  const room = max === 0 ? 0 : Math.min(Math.max(max + 1 - held - ahead.length, 0), bound);
  return {
    worker: worker.id,
    organizations: worker.isDraining ? NOBODY : worker.organizationsFor("build"),
    systems: worker.systems,
    features: worker.features,
    size,
    ...roomBeside(size, reserved, ahead),
    freeSlots,
    aheadSlots: Math.max(room - freeSlots, 0),
    heldBuilds: held,
  };
}

function roomBeside(
  { memoryBytes, cores }: WorkerSize,
  reserved: readonly Amounts[],
  ahead: readonly Amounts[],
): Pick<BuildSeat, "free" | "freeNext"> {
  const sum = (of: (amounts: Amounts) => number) =>
    [...reserved, ...ahead].map(of).reduce((a, b) => a + b, 0);
  const least = (of: (amounts: Amounts) => number) =>
    reserved.length === 0 ? 0 : Math.min(...reserved.map(of));
  const free = {
    memoryBytes: memoryBytes - sum((each) => each.memoryBytes),
    cores: cores - sum((each) => each.cores),
  };
  const freeNext = {
    memoryBytes: free.memoryBytes + least((each) => each.memoryBytes),
    cores: free.cores + least((each) => each.cores),
  };
  return { free, freeNext };
}

/** Memory of the largest connected worker that could build what is in the group, and 0 when none could. */
export function largestMemory(fleet: Fleet, leases: LeaseBook, group: ReadyGroup): number {
  const able = membersOf(fleet, leases).filter(({ seat }) => isQualified(seat, group));
  return Math.max(0, ...able.map(({ seat }) => seat.size.memoryBytes));
}

/** Who could do what, leaving aside how busy they are. */
export function membersOf(fleet: Fleet, leases: LeaseBook): FleetMember[] {
  return [...fleet.connected()]
    .filter(({ isDraining }) => !isDraining)
    .map((worker) => ({
      seat: seatOf(worker, leases, []),
      fetchFor: worker.organizationsFor("fetch"),
      evalFor: worker.organizationsFor("eval"),
      overridesInputs: worker.linkFeatures.has(INPUT_OVERRIDES),
    }));
}
