import type { BuildResult, Fencing, PublicKey, WorkerId } from "@gradient/protocol";
import type { Answer, Lease } from "../db/assignment-repository.ts";
import { findLease } from "../db/assignment-repository.ts";
import {
  endAttempt,
  findAttemptedBuild,
  recordLateUsage,
  type AttemptedBuild,
  type AttemptOutput,
} from "../db/attempt-repository.ts";
import { findAttemptNeeds, type AttemptNeeds } from "../db/attempt-needs.ts";
import type { Queries } from "../db/client.ts";
import { setOutputPath } from "../db/derivation-repository.ts";
import { visibilityOfBuild } from "../db/hidden-path-repository.ts";
import { recordRun } from "../db/run-history-repository.ts";
import { CoordinatorError } from "../errors.ts";
import {
  applyPublication,
  type Publication,
  type PublicationPlanner,
} from "../intake/publication.ts";
import { ACCEPTED, answerOnce, refused } from "../queue/answer.ts";
import type { Change, ChangeFacts } from "../queue/change.ts";
import {
  attemptTransitions,
  buildEventOfOutcome,
  type AttemptEvent,
  type AttemptState,
} from "../scheduler/attempt-state.ts";
import { lackedMemory, moreMemory } from "../scheduler/more-memory.ts";
import type { ReadyGroup } from "../scheduler/ready-queue.ts";
import { transit } from "../scheduler/transition.ts";
import type { PlanReads } from "../evaluations/plan-builds.ts";
import { awaitInputs, reopenMissingInputs } from "./missing-inputs.ts";
import {
  completeBuild,
  failBuild,
  postponeBuild,
  restartWithMemory,
  type Failure,
  type RetryPolicy,
} from "./verdict.ts";
import { verifyOutputs, type OutputEvidence } from "./verify-outputs.ts";

export interface BuildResultOptions {
  readonly kysely: Queries;
  readonly evidence: OutputEvidence;
  readonly publications: PublicationPlanner;
  readonly changes: ChangeFacts;
  readonly retries: RetryPolicy;
  readonly plans: PlanReads;
  /** Memory of the largest worker that could build what is in the group. */
  readonly largestMemory: (group: ReadyGroup) => number;
}

/** A result on its way. */
export interface BuildReport {
  readonly worker: WorkerId;
  readonly workerKey: PublicKey;
  /** Memory of the worker for each build that it runs at once. */
  readonly memoryShareBytes: number;
  readonly fencing: Fencing;
  readonly result: BuildResult;
}

/** What is known of the outputs before the transaction that shows them. */
type Outputs =
  | {
      kind: "publishable";
      publication: Publication;
      contentAddressed: readonly { name: string; path: string }[];
    }
  | { kind: "refused"; reason: string };

/** Thrown to leave a transaction whose facts are not those that the outputs were verified with. */
class FactsChanged extends Error {
  override name = "FactsChanged";
}

const MAX_VERIFICATIONS = 5;

/**
 * Handles the result of a build exactly once. Everything that can be checked or signed without the database's state is done first;
 * one transaction then checks lease and facts, shows the outputs, ends attempt and build and frees the dependents. Nothing becomes visible otherwise.
 * What it resolves to may be told when it is durable.
 */
export async function takeBuildResult(
  options: BuildResultOptions,
  report: BuildReport,
): Promise<Answer | AwaitsInputs> {
  const { kysely, changes } = options;
  const { worker, fencing, result } = report;
  const lease = await findLease(kysely, fencing, worker);
  if (lease === null) {
    const { usage } = result;
    if (usage !== null) await recordLateUsage(kysely, fencing, worker, usage);
    return changes((change) =>
      answerOnce(change, fencing, worker, () => Promise.resolve(ACCEPTED)),
    );
  }
  if (lease.kind !== "build" || lease.attempt === null) {
    return refused(`assignment ${fencing} is a ${lease.kind}, and the result is of a build`);
  }
  const attempted = await findAttemptedBuild(kysely, lease.attempt);
  if (result.outcome === "built" && attempted !== null) {
    const { derivation } = attempted.build;
    if (options.plans.builds.hasUnfinishedInput(derivation)) return { awaitsInputsOf: derivation };
  }
  const isAwaitingInputs = await reopenInputs(options, attempted, result);
  for (let tries = 1; ; tries++) {
    const outputs =
      result.outcome === "built" && attempted !== null
        ? await prepareOutputs(options, attempted, report)
        : null;
    try {
      return await changes((change) =>
        answerOnce(change, fencing, worker, (held) =>
          conclude(options, change, held, { ...report, outputs, isAwaitingInputs }),
        ),
      );
    } catch (error) {
      if (!(error instanceof FactsChanged) || tries >= MAX_VERIFICATIONS) throw error;
    }
  }
}

/** A build that is done before its inputs are shown: nothing was handled, and it has to be handled again when they are. */
export interface AwaitsInputs {
  readonly awaitsInputsOf: number;
}

/** Whether the build has to wait for inputs that no cache has any more. They are wanted again before the result is handled: it comes again if that fails. */
async function reopenInputs(
  options: BuildResultOptions,
  attempted: AttemptedBuild | null,
  result: BuildResult,
): Promise<boolean> {
  if (result.outcome !== "internal_error" || result.missingInputs.length === 0) return false;
  const { kysely, plans, changes } = options;
  if (attempted?.isNewest !== true) return false;
  return reopenMissingInputs({ kysely, reads: plans, changes }, attempted.build);
}

/** A report with what is known of it before the transaction. */
interface PreparedReport extends BuildReport {
  readonly outputs: Outputs | null;
  readonly isAwaitingInputs: boolean;
}

async function prepareOutputs(
  options: BuildResultOptions,
  attempted: AttemptedBuild,
  report: BuildReport,
): Promise<Outputs> {
  const { evidence, publications } = options;
  const { organization, derivation } = attempted.build;
  const built = { id: derivation, drvPath: attempted.drvPath, organization };
  const verdict = await verifyOutputs(evidence, built, report.result, report.workerKey);
  if (!verdict.isVerified) return { kind: "refused", reason: verdict.reason };
  const known = new Set(evidence.derivations.outputs(derivation).flatMap(({ path }) => path ?? []));
  const contentAddressed = verdict.outputs
    .filter(({ path }) => !known.has(path.path))
    .map(({ name, path }) => ({ name, path: path.path }));
  try {
    const paths = verdict.outputs.map(({ path }) => path);
    const publication = await publications.plan(organization, paths);
    return { kind: "publishable", publication, contentAddressed };
  } catch (error) {
    if (!(error instanceof CoordinatorError)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

/** The transaction's part. */
async function conclude(
  options: BuildResultOptions,
  change: Change,
  lease: Lease,
  report: PreparedReport,
): Promise<Answer> {
  const { outputs } = report;
  if (lease.attempt === null) throw new Error(`build assignment ${lease.fencing} has no attempt`);
  const attempted = await findAttemptedBuild(change.kysely, lease.attempt);
  if (attempted === null) return refused(`attempt ${lease.attempt} does not exist any more`);
  change.news.ended.push(attempted.attempt);
  if (outputs?.kind === "refused") {
    await concludeRefused(options, change, attempted, report.result, outputs.reason);
    return refused(outputs.reason);
  }
  if (outputs !== null) {
    const visibility = await visibilityOfBuild(change.kysely, attempted.build.id);
    const { publication } = outputs;
    const isApplied = await applyPublication(change, publication, report.worker, visibility);
    if (!isApplied) throw new FactsChanged();
    for (const { name, path } of outputs.contentAddressed) {
      await setOutputPath(change.kysely, attempted.build.derivation, name, path);
    }
  }
  await concludeReported(options, change, attempted, report);
  return ACCEPTED;
}

async function concludeRefused(
  options: BuildResultOptions,
  change: Change,
  attempted: AttemptedBuild,
  result: BuildResult,
  reason: string,
): Promise<void> {
  const message = `the result was refused: ${reason}`;
  await endAs(change, attempted, "refused", result, message);
  if (!attempted.isNewest) return;
  const end = { drvPath: attempted.drvPath, ...failureOf(result), message };
  await postponeBuild(change, attempted.build, end, options.retries, "backoff");
}

async function concludeReported(
  options: BuildResultOptions,
  change: Change,
  attempted: AttemptedBuild,
  report: PreparedReport,
): Promise<void> {
  const { result, isAwaitingInputs } = report;
  const { build, drvPath, isNewest } = attempted;
  if (result.outcome === "out_of_memory") {
    await concludeOutOfMemory(options, change, attempted, report);
    return;
  }
  if (result.outcome === "cancelled" && attempted.isDeserted) {
    await endAs(change, attempted, "deserted", result, "session closed");
  } else {
    await endAs(change, attempted, result.outcome, result, result.message);
  }
  if (result.outcome === "built" || result.outcome === "timeout") {
    const needs = await findAttemptNeeds(change.kysely, attempted.attempt);
    await rememberRun(change, needs, result, null);
  }
  // An older attempt that was still being cancelled says nothing about the build.
  if (!isNewest) return;
  const end = { drvPath, ...failureOf(result) };
  if (isAwaitingInputs) {
    await awaitInputs(change, build, end, options.retries);
    return;
  }
  const event = buildEventOfOutcome[result.outcome];
  switch (event) {
    case "built":
      await completeBuild(change, build, result.times);
      break;
    case "failed":
    case "timed-out":
      await failBuild(change, build, event, end);
      break;
    case "inconclusive":
      await postponeBuild(
        change,
        build,
        end,
        options.retries,
        result.outcome === "cancelled" || result.isInterruption === true ? "at-once" : "backoff",
      );
      break;
    default:
      throw new Error(`no outcome of an attempt is '${event}'`);
  }
}

/** Another attempt with more memory where some worker has it; else the build has failed. */
async function concludeOutOfMemory(
  { largestMemory }: BuildResultOptions,
  change: Change,
  attempted: AttemptedBuild,
  { result, memoryShareBytes }: PreparedReport,
): Promise<void> {
  const { build, drvPath, isNewest } = attempted;
  const needs = await findAttemptNeeds(change.kysely, attempted.attempt);
  const had = {
    exactBytes: needs.demand.exactMemoryBytes,
    maxBytes: needs.demand.maxMemoryBytes,
    reservedBytes: needs.reservedBytes ?? 0,
    peakBytes: result.usage?.memoryPeakBytes ?? null,
    shareBytes: memoryShareBytes,
  };
  const memoryBytes = moreMemory(had, largestMemory(needs));
  const event = memoryBytes === null ? "memory-exceeded" : "out_of_memory";
  await endAs(change, attempted, event, result, result.message);
  await rememberRun(change, needs, result, lackedMemory(had));
  if (!isNewest) return;
  const end = { drvPath, ...failureOf(result) };
  if (memoryBytes === null) await failBuild(change, build, "failed", end);
  else await restartWithMemory(change, build, end, memoryBytes);
}

function failureOf({ message, times: { startedAt, stoppedAt } }: BuildResult): Failure {
  return { message, startedAt, stoppedAt };
}

/** What failed for other reasons may have ended before it needed what it needs. */
async function rememberRun(
  { kysely }: Change,
  { history }: AttemptNeeds,
  { usage }: BuildResult,
  lackedBytes: number | null,
): Promise<void> {
  const peakBytes = usage?.memoryPeakBytes ?? null;
  const cores = usage?.coresAverage ?? null;
  if (peakBytes === null && cores === null && lackedBytes === null) return;
  await recordRun(kysely, history, { peakBytes, lackedBytes, cores });
}

async function endAs(
  change: Change,
  { attempt }: AttemptedBuild,
  event: AttemptEvent,
  result: BuildResult,
  message: string | null,
): Promise<void> {
  const running: AttemptState = "running";
  const end = transit(attemptTransitions, `attempt ${attempt}`, running, event);
  if (!end.isAllowed) throw new Error(end.reason);
  change.news.outcomes.push(end.next);
  const { startedAt, startedUs, stoppedAt, stoppedUs } = result.times;
  await endAttempt(change.kysely, attempt, {
    status: end.next,
    message,
    startedAt,
    startedUs,
    stoppedAt,
    stoppedUs,
    storedAt: event === "built" ? change.now : null,
    usage: result.usage,
    outputs: event === "built" ? outputsOf(result) : null,
  });
}

function outputsOf({ outputs }: BuildResult): AttemptOutput[] {
  return outputs.map(({ name, facts }) => ({
    name,
    path: facts.path.slice("/nix/store/".length),
    narHash: facts.narHash.slice("sha256:".length),
    narSize: facts.narSize,
  }));
}
