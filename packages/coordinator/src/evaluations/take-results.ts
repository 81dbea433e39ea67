import type { EvalResult, Failure, FetchResult } from "@gradient/protocol";
import { countEvaluationBatches, type Answer, type Lease } from "../db/assignment-repository.ts";
import { hashPartOf, type CachedPathReads } from "../db/cache-path-repository.ts";
import {
  findEvaluation,
  moveEvaluation,
  setEvaluationFacts,
  usageJson,
  type Evaluation,
} from "../db/evaluation-repository.ts";
import { insertCommit } from "../db/new-evaluation-repository.ts";
import { insertMessages } from "../db/job-repository.ts";
import { insertKnownHosts } from "../db/known-host-repository.ts";
import { retryDelay, type RetryPolicy } from "../builds/verdict.ts";
import { ACCEPTED } from "../queue/answer.ts";
import type { Change } from "../queue/change.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import { readHostKeys } from "../rules/known-hosts.ts";
import { cutEvaluation } from "./end-evaluation.ts";

/** What a fetch brought. Call it under its lease. */
export async function takeFetchResult(
  change: Change,
  lease: Lease,
  result: FetchResult,
  options: { paths: CachedPathReads; retries: RetryPolicy },
): Promise<Answer> {
  const { kysely, now, news } = change;
  const { organization, worker } = lease;
  // Also of a fetch that failed behind the handshake.
  const hostKeys = readHostKeys(result.hostKeys ?? []);
  await insertKnownHosts(kysely, organization, hostKeys, { worker, now });
  const evaluation = await findActive(change, lease);
  if (evaluation === null) return ACCEPTED;
  await setEvaluationFacts(kysely, evaluation.id, now, {
    fetch_usage_json: usageJson(result.usage),
  });
  if (result.failure !== null) {
    await takeFailure(change, evaluation, "fetch", result.failure, options.retries);
    return ACCEPTED;
  }
  const { commit, source } = result;
  const base = source?.slice("/nix/store/".length) ?? null;
  const isVisible =
    base !== null && options.paths.ofOrganization(organization, hashPartOf(base)) !== null;
  if (commit === null || base === null || !isVisible) {
    const message =
      commit === null || source === null
        ? "the worker reported neither a failure nor a commit with its source"
        : `the source ${source} is in no cache of the organization; it has to be uploaded before the result is sent`;
    await takeFailure(change, evaluation, "fetch", { message, isTransient: true }, options.retries);
    return ACCEPTED;
  }
  const commitId = await insertCommit(kysely, commit, now);
  const { hash: revision } = commit;
  const facts = { commit_id: commitId, revision, source_path: base, tries: 0, retry_at: null };
  await setEvaluationFacts(kysely, evaluation.id, now, facts);
  news.tasks.add(evaluation.id);
  return ACCEPTED;
}

/** The end of the evaluation itself. Call it under its lease. */
export async function takeEvalResult(
  change: Change,
  lease: Lease,
  result: EvalResult,
  retries: RetryPolicy,
): Promise<Answer> {
  const { kysely, now, news } = change;
  const evaluation = await findActive(change, lease);
  if (evaluation === null) return ACCEPTED;
  await setEvaluationFacts(kysely, evaluation.id, now, {
    eval_usage_json: usageJson(result.usage),
  });
  const delivered = await countEvaluationBatches(kysely, lease.fencing);
  const failure = result.failure ?? missingBatches(delivered, result.batches);
  if (failure !== null) {
    await takeFailure(change, evaluation, "evaluation", failure, retries);
    return ACCEPTED;
  }
  await moveEvaluation(kysely, evaluation.id, "evaluated", now, { building_started_at: now });
  if (evaluation.unfinishedBuilds === 0) news.settled.add(evaluation.id);
  return ACCEPTED;
}

function missingBatches(delivered: number, sent: number): Failure | null {
  if (delivered === sent) return null;
  return {
    message: `only ${delivered} of ${sent} batches of attributes arrived`,
    isTransient: true,
  };
}

async function findActive(change: Change, lease: Lease): Promise<Evaluation | null> {
  if (lease.evaluation === null) return null;
  const evaluation = await findEvaluation(change.kysely, lease.evaluation);
  return evaluation !== null && isActiveEvaluation(evaluation.state) ? evaluation : null;
}

/** Tries again after a while where that can help, at once where only the worker had to go, and else ends the evaluation with the reason as its message. */
export async function takeFailure(
  change: Change,
  evaluation: Evaluation,
  what: "fetch" | "evaluation",
  failure: Failure,
  retries: RetryPolicy,
): Promise<void> {
  const { kysely, now } = change;
  const tries = evaluation.tries + 1;
  const delayMs = failure.isTransient ? retryDelay(retries, tries) : null;
  if (delayMs !== null) {
    const text = `${what} failed and is tried again: ${failure.message}`;
    await insertMessages(kysely, evaluation.id, [{ level: "Warning", text }], now);
    const retryAt = failure.isInterruption === true ? null : now + delayMs;
    await giveBack(change, evaluation.id, tries, retryAt);
    return;
  }
  const text = failure.isTransient
    ? `given up after ${tries} tries: ${failure.message}`
    : failure.message;
  await insertMessages(kysely, evaluation.id, [{ level: "Error", text }], now);
  await cutEvaluation(change, evaluation.id, "failed", `the ${what} failed`);
}

/** Puts the fetch or the evaluation back into the queue. */
async function giveBack(
  change: Change,
  evaluationId: string,
  tries: number,
  retryAt: number | null,
): Promise<void> {
  const { kysely, now, news } = change;
  await moveEvaluation(kysely, evaluationId, "given-back", now, { tries, retry_at: retryAt });
  news.tasks.add(evaluationId);
}
