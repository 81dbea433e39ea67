import type {
  AssignmentId,
  AssignmentSpec,
  BuildSpec,
  GitCredentials,
  OrganizationId,
  ToWorker,
} from "@gradient/protocol";
import { assignmentIdSchema, attemptNumberSchema } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import {
  deleteLease,
  findLeasesOfEvaluation,
  insertLease,
  type Lease,
  type NewLease,
} from "../db/assignment-repository.ts";
import { setAllocation } from "../db/attempt-repository.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import {
  findOfferableBuilds,
  type BuildOrder,
  type OfferableBuild,
} from "../db/ready-build-repository.ts";
import type { Queries } from "../db/client.ts";
import { claimUnsignedPaths } from "../db/unsigned-path-repository.ts";
import { grantOf, type Grant } from "../scheduler/demand.ts";
import type { ReadyBuild } from "../scheduler/ready-queue.ts";
import type { Change } from "./change.ts";
import type { EvaluationTask } from "./evaluation-tasks.ts";
import { sizeOf, type ConnectedWorker } from "./fleet.ts";

/** Longest time that an evaluation may take. */
const EVALUATION_TIMEOUT_SECONDS = 3600;

/** Most paths of one sign assignment. */
const PATHS_PER_SIGNING = 100;

/** Secrets for a fetch; null when the organization has none. */
export type FindCredentials = (organization: OrganizationId) => Promise<GitCredentials | null>;

/** Something that was chosen for a worker. */
export type Pick = { readonly worker: ConnectedWorker } & (
  | { readonly kind: "build"; readonly build: ReadyBuild }
  | {
      readonly kind: "task";
      readonly task: EvaluationTask;
      readonly credentials: GitCredentials | null;
    }
  | { readonly kind: "sign"; readonly organization: OrganizationId }
);

/** An offer that is durable and can be sent. */
export interface Offer {
  readonly worker: ConnectedWorker;
  readonly lease: Lease;
  readonly spec: AssignmentSpec;
  /** The build that makes its last input, of an offer ahead. */
  readonly after?: AssignmentId;
}

/** As the worker is told. */
export function offerMessage({ lease, spec, after }: Offer, leaseMs: number): ToWorker {
  const { assignment, fencing, organization } = lease;
  const about = { assignment, fencing, organization, leaseMs, spec };
  return { type: "offer", ...about, ...(after === undefined ? {} : { after }) };
}

/** Makes leases for what was picked, in one transaction. What cannot be given out any more is left out. */
export async function makeOffers(
  change: Change,
  picks: readonly Pick[],
  offerMs: number,
): Promise<Offer[]> {
  const { kysely, now, news } = change;
  const attempts = picks.flatMap((pick) => (pick.kind === "build" ? [pick.build.attempt] : []));
  const offerable = await findOfferableBuilds(kysely, attempts);
  const offers: Offer[] = [];
  for (const pick of picks) {
    const { worker } = pick;
    const lease = {
      assignment: assignmentIdSchema.parse(uuidv7()),
      worker: worker.id,
      epoch: worker.epoch,
      expiresAt: now + offerMs,
    };
    const made = await makeOffer(change, pick, lease, offerable);
    if (made === null) continue;
    news.offered.push(made.lease);
    offers.push({ worker, ...made });
  }
  return offers;
}

type LeaseStart = Omit<NewLease, "kind" | "organization" | "evaluation" | "attempt" | "reserved">;
type MadeOffer = Omit<Offer, "worker">;

function makeOffer(
  change: Change,
  pick: Pick,
  start: LeaseStart,
  offerable: ReadonlyMap<number, OfferableBuild>,
): Promise<MadeOffer | null> {
  switch (pick.kind) {
    case "sign":
      return offerSigning(change, { ...start, organization: pick.organization });
    case "task":
      return offerTask(change, pick, start);
    case "build":
      return offerBuild(change, pick, start, offerable.get(pick.build.attempt));
  }
}

/** A build that needs more by now than it was picked for (another of its name has ended meanwhile) is chosen again. */
async function offerBuild(
  { kysely, now, news }: Change,
  { worker, build }: { worker: ConnectedWorker; build: ReadyBuild },
  start: LeaseStart,
  found: OfferableBuild | undefined,
): Promise<MadeOffer | null> {
  if (found === undefined) return null;
  const picked = grantOf(build.demand, sizeOf(worker));
  const grant = grantOf(found.ready.demand, sizeOf(worker));
  if (grant.reserved.memoryBytes > picked.reserved.memoryBytes) {
    news.ready.push(found.ready);
    return null;
  }
  const { attempt, organization } = build;
  const about = { organization, evaluation: null, attempt, reserved: grant.reserved };
  const lease = await insertLease(kysely, { ...start, ...about, kind: "build" }, now);
  await setAllocation(kysely, attempt, grant);
  return { lease, spec: buildSpec(found, attempt, grant) };
}

async function offerTask(
  { kysely, now }: Change,
  { task, credentials }: { task: EvaluationTask; credentials: GitCredentials | null },
  start: LeaseStart,
): Promise<MadeOffer | null> {
  const spec = await taskSpec(kysely, task, credentials);
  if (spec === null) return null;
  const { organization, evaluation } = task;
  const about = { organization, evaluation, attempt: null, reserved: null };
  return { lease: await insertLease(kysely, { ...start, ...about, kind: spec.kind }, now), spec };
}

/** The lease comes first: the paths are marked with its fencing number. */
async function offerSigning(
  { kysely, now }: Change,
  start: LeaseStart & { organization: OrganizationId },
): Promise<MadeOffer | null> {
  const about = { kind: "sign", evaluation: null, attempt: null, reserved: null } as const;
  const lease = await insertLease(kysely, { ...start, ...about }, now);
  const bases = await claimUnsignedPaths(kysely, lease, { now, limit: PATHS_PER_SIGNING });
  if (bases.length === 0) {
    await deleteLease(kysely, lease.fencing);
    return null;
  }
  return { lease, spec: { kind: "sign", paths: bases.map((base) => `/nix/store/${base}`) } };
}

/** `attempt` is null for an offer ahead. */
export function buildSpec(
  { drvPath, limits, system, requiredFeatures }: BuildOrder,
  attempt: number | null,
  grant: Grant,
): BuildSpec {
  return {
    kind: "build",
    attempt: attempt === null ? null : attemptNumberSchema.parse(attempt),
    drvPath: `/nix/store/${drvPath}`,
    system,
    requiredFeatures: [...requiredFeatures],
    limits: { ...limits, cores: grant.coreLimit, memoryBytes: grant.memoryLimitBytes },
  };
}

async function taskSpec(
  kysely: Queries,
  task: EvaluationTask,
  credentials: GitCredentials | null,
): Promise<AssignmentSpec | null> {
  const evaluation = await findEvaluation(kysely, task.evaluation);
  const isWaiting = evaluation?.state === "Queued" || evaluation?.state === "Fetching";
  if (evaluation === null || !isWaiting) return null;
  if ((await findLeasesOfEvaluation(kysely, task.evaluation)).length > 0) return null;
  if (evaluation.source === null) {
    const { id, repository, reference, revision } = evaluation;
    return {
      kind: "fetch",
      evaluation: id,
      repository,
      reference,
      commit: revision,
      credentials,
    };
  }
  const overrides = evaluation.inputOverrides;
  return {
    kind: "eval",
    evaluation: evaluation.id,
    source: `/nix/store/${evaluation.source}`,
    pattern: evaluation.wildcard,
    timeoutSeconds: EVALUATION_TIMEOUT_SECONDS,
    ...(overrides.length === 0 ? {} : { inputOverrides: [...overrides] }),
  };
}
