import type { AssignmentSpec, BuildSpec, GitCredentials, OrganizationId } from "@gradient/protocol";
import { assignmentIdSchema, attemptNumberSchema } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { findLeasesOfEvaluation, insertLease, type Lease } from "../db/assignment-repository.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import { findOfferableBuilds, type OfferableBuild } from "../db/build-repository.ts";
import type { Queries } from "../db/client.ts";
import type { ReadyBuild } from "../scheduler/ready-queue.ts";
import type { Change } from "./change.ts";
import type { EvaluationTask } from "./evaluation-tasks.ts";
import type { ConnectedWorker } from "./fleet.ts";

/** Longest time that an evaluation may take. */
const EVALUATION_TIMEOUT_SECONDS = 3600;

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
);

/** An offer that is durable and can be sent. */
export interface Offer {
  readonly worker: ConnectedWorker;
  readonly lease: Lease;
  readonly spec: AssignmentSpec;
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
    const spec =
      pick.kind === "build"
        ? buildSpec(pick.build, offerable)
        : await taskSpec(kysely, pick.task, pick.credentials);
    if (spec === null) continue;
    const lease = await insertLease(
      kysely,
      {
        assignment: assignmentIdSchema.parse(uuidv7()),
        kind: spec.kind,
        organization: pick.kind === "build" ? pick.build.organization : pick.task.organization,
        evaluation: pick.kind === "task" ? pick.task.evaluation : null,
        attempt: pick.kind === "build" ? pick.build.attempt : null,
        worker: pick.worker.id,
        epoch: pick.worker.epoch,
        expiresAt: now + offerMs,
      },
      now,
    );
    news.offered.push(lease);
    offers.push({ worker: pick.worker, lease, spec });
  }
  return offers;
}

function buildSpec(
  build: ReadyBuild,
  offerable: ReadonlyMap<number, OfferableBuild>,
): BuildSpec | null {
  const found = offerable.get(build.attempt);
  if (found === undefined) return null;
  return {
    kind: "build",
    attempt: attemptNumberSchema.parse(build.attempt),
    drvPath: `/nix/store/${found.drvPath}`,
    system: build.system,
    requiredFeatures: [...build.requiredFeatures],
    limits: found.limits,
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
    const { id, repository } = evaluation;
    return {
      kind: "fetch",
      evaluation: id,
      repository,
      reference: null,
      commit: null,
      credentials,
    };
  }
  return {
    kind: "eval",
    evaluation: evaluation.id,
    source: `/nix/store/${evaluation.source}`,
    pattern: evaluation.wildcard,
    timeoutSeconds: EVALUATION_TIMEOUT_SECONDS,
  };
}
