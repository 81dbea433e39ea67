import type { Caller } from "../auth/caller.ts";
import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { findEvaluationFacts, listMessages, type EvaluationFacts } from "../db/evaluation-view.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";
import type { PageJob } from "../db/page-jobs-view.ts";
import { NotFoundError } from "../errors.ts";
import { countsOf } from "./counts.ts";
import { differenceOf } from "./difference.ts";
import { evaluationJobs, type EvaluationQuery } from "./evaluation-jobs.ts";
import { forgeLinks } from "./forge-links.ts";
import { commitOf } from "./jobset-page.ts";
import type { PageServices } from "./page-services.ts";
import { shownEvaluation, type ViewOf } from "./shown.ts";
import { buildStatus, evaluationState, startedBy, waitingText, weatherOf } from "./words.ts";

type View = ViewOf<"evaluation">;

const MAX_MESSAGES = 200;

/** An evaluation with a page of its jobs. Throws NotFoundError. */
export async function evaluationPage(
  services: PageServices,
  caller: Caller,
  number: string,
  query: EvaluationQuery,
): Promise<View> {
  const { cuirassEvaluations, database, pageJobs } = services;
  const evaluation = await shownEvaluation(services, caller, number);
  const facts = await findEvaluationFacts(database.kysely, evaluation.id);
  if (facts === undefined) throw new NotFoundError(`evaluation ${number} does not exist`);
  const previous = cuirassEvaluations.previousSucceeded(evaluation);
  const next = cuirassEvaluations.nextSucceeded(evaluation);
  const links = forgeLinks(facts.repository);
  const messages = pageJobs.commitMessages(previous === null ? [] : [previous.id]);
  const { jobs, pages } = evaluationJobs(services, evaluation, query);
  const { commit } = evaluation;
  return {
    kind: "evaluation",
    number: evaluation.number,
    jobset: jobsetName(evaluation),
    state: evaluationState(evaluation.state),
    waitsFor: waitingText(facts),
    startedBy: startedBy(facts),
    commit: commitOf(evaluation, facts.commit_message, links),
    previousCommit:
      previous === null ? null : commitOf(previous, messages.get(previous.id) ?? null, links),
    rangeUrl:
      links === null || commit === null || !previous?.commit
        ? null
        : links.range(previous.commit, commit),
    createdAt: evaluation.createdAt,
    phases: phasesOf(evaluation, facts),
    endedAt: evaluation.finishedAt,
    previous: previous?.number ?? null,
    next: next?.number ?? null,
    counts: countsOf(services, evaluation).counts,
    messages: await messagesOf(services, evaluation),
    difference: evaluation.status === 0 ? differenceOf(services, evaluation, previous) : null,
    tab: query.status,
    builds: jobs.map((job) => rowOf(job, jobsetName(evaluation))),
    pages,
    live: `/api/v1/evals/${evaluation.id}/live`,
  };
}

function rowOf(job: PageJob, jobset: string): View["builds"][number] {
  return {
    number: job.number,
    status: buildStatus(job.status),
    weather: weatherOf(job.weather),
    job: job.job,
    name: job.name,
    jobset,
    system: job.system,
    startedAt: job.startedAt,
    stoppedAt: job.stoppedAt,
  };
}

function phasesOf(evaluation: CuirassEvaluation, facts: EvaluationFacts): View["phases"] {
  const { fetchedAt, evaluatedAt, finishedAt } = evaluation;
  const { fetch_started_at: fetchFrom, eval_started_at: evalFrom } = facts;
  const phases: View["phases"][number][] = [];
  if (fetchFrom !== null)
    phases.push({ name: "fetch", from: fetchFrom, to: fetchedAt ?? finishedAt });
  if (evalFrom !== null)
    phases.push({ name: "evaluation", from: evalFrom, to: evaluatedAt ?? finishedAt });
  if (facts.building_started_at !== null) {
    phases.push({ name: "builds", from: facts.building_started_at, to: finishedAt });
  }
  return phases;
}

async function messagesOf(
  { database }: PageServices,
  { id }: CuirassEvaluation,
): Promise<View["messages"]> {
  const messages = await listMessages(database.kysely, id);
  const levels = { Error: "error", Warning: "warning", Notice: "notice" } as const;
  return messages.slice(0, MAX_MESSAGES).map(({ level, text, attribute_json: attribute }) => ({
    level: levels[level],
    text,
    attribute: attribute === null ? null : readJsonColumn(stringListSchema, attribute).join("."),
  }));
}
