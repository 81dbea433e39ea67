import { assignmentIdSchema, type LinkFeature } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { insertLease, type Lease } from "../db/assignment-repository.ts";
import { findBuildAfter } from "../db/ready-build-repository.ts";
import { canTakeAhead } from "../scheduler/choose-worker.ts";
import { grantOf, type Amounts } from "../scheduler/demand.ts";
import type { ReadyQueue } from "../scheduler/ready-queue.ts";
import type { Change } from "./change.ts";
import type { Draining } from "./draining.ts";
import { seatOf, sizeOf, type ConnectedWorker } from "./fleet.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { LocalInputs } from "./local-inputs.ts";
import { buildSpec, type Offer } from "./offer.ts";

/** The phase `uploading` tells when the input is built. */
const NEEDED: readonly LinkFeature[] = ["offer-ahead", "built-phase"];

/** What takes longer gains nothing by it, and its worker could take something else. */
const OFFER_MS = 5000;

export interface AheadTools {
  readonly queue: ReadyQueue;
  readonly leases: LeaseBook;
  readonly local: LocalInputs;
  readonly draining: Readonly<Draining>;
}

/**
 * A worker begins a build: of the builds that then lack nothing, the first in order is offered to it already, so that it begins when its input is there. Nobody could begin it
 * sooner. Only while no other build waits for a worker, and in the place of one that gets ready beside those that run. Null when there is none.
 */
export async function offerAhead(
  change: Change,
  { input, worker }: { input: Lease; worker: ConnectedWorker },
  { queue, leases, local, draining }: AheadTools,
): Promise<Offer | null> {
  const { kysely, now, news } = change;
  const isOpen = !draining.isOn && !worker.isDraining && worker.pausedUntil <= now;
  const isQueueEmpty = queue.size === 0 && news.ready.length === 0;
  if (!isOpen || !isQueueEmpty || input.attempt === null) return null;
  if (!NEEDED.every((feature) => worker.linkFeatures.has(feature))) return null;
  const seat = seatOf(worker, leases, [], input);
  if (seat.aheadSlots === 0) return null;
  const found = await findBuildAfter(kysely, input.attempt);
  if (found === null || !canTakeAhead(seat, found)) return null;
  if (!local.isReachable(found.build, worker.id)) return null;
  const grant = grantOf(found.demand, sizeOf(worker));
  const start = {
    assignment: assignmentIdSchema.parse(uuidv7()),
    worker: worker.id,
    epoch: worker.epoch,
    expiresAt: now + OFFER_MS,
  };
  const about = { organization: found.organization, evaluation: null, attempt: null } as const;
  const reserved = beyond(grant.reserved, input.reserved);
  const lease = await insertLease(kysely, { ...start, ...about, kind: "build", reserved }, now);
  news.offered.push(lease);
  news.ahead.push({ lease, build: found.build, input: input.fencing, grant });
  return { worker, lease, spec: buildSpec(found, null, grant), after: input.assignment };
}

/** It begins when its input has ended, and takes over what was set aside for that. */
function beyond(amounts: Amounts, inputs: Amounts | null): Amounts {
  return {
    memoryBytes: Math.max(0, amounts.memoryBytes - (inputs?.memoryBytes ?? 0)),
    cores: Math.max(0, amounts.cores - (inputs?.cores ?? 0)),
  };
}
