import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { EvaluationFacts } from "../db/evaluation-view.ts";
import { readJsonColumn } from "../db/json-column.ts";
import { z } from "zod";
import type { ViewOf } from "./shown.ts";

/** States and reasons as pages word them. */

type BuildStatus = ViewOf<"build">["status"];
type Weather = ViewOf<"build">["weather"];
type EvaluationState = ViewOf<"evaluation">["state"];

const STATUSES: Readonly<Record<number, BuildStatus>> = {
  [-3]: "submitted",
  [-2]: "scheduled",
  [-1]: "started",
  0: "succeeded",
  1: "failed",
  2: "failed-dependency",
  3: "failed-other",
  4: "canceled",
};

/** Cuirass's number as a row has it. Throws for one that no release wrote. */
export function buildStatus(number: number): BuildStatus {
  const status = STATUSES[number];
  if (status === undefined) throw new Error(`a build has the unknown status ${number}`);
  return status;
}

/** When a build began and ended. Of one that failed only its assignment is known, of one that was found ready only when that was. */
export function timesOf(
  row: Pick<
    ProjectBuildRow,
    "status" | "startedAt" | "assignedAt" | "stoppedAt" | "storedAt" | "updatedAt"
  >,
): { startedAt: number | null; stoppedAt: number | null } {
  const { status, startedAt, assignedAt, stoppedAt, storedAt, updatedAt } = row;
  return {
    startedAt: startedAt ?? assignedAt,
    stoppedAt: status < 0 ? null : (stoppedAt ?? storedAt ?? updatedAt),
  };
}

const WEATHERS: Readonly<Record<number, Weather>> = {
  0: "new-success",
  1: "new-failure",
  2: "still-succeeding",
  3: "still-failing",
};

/** What a build did against the job's build before, as triggers of the database keep it. */
export function weatherOf(number: number): Weather {
  return WEATHERS[number] ?? "unknown";
}

const EVALUATION_STATES: Readonly<Record<string, EvaluationState>> = {
  Queued: "queued",
  Fetching: "fetching",
  EvaluatingFlake: "evaluating",
  EvaluatingDerivation: "evaluating",
  Building: "building",
  Waiting: "waiting",
  Completed: "completed",
  Failed: "failed",
  Aborted: "aborted",
};

/** What happens while a worker evaluates is one state here. Throws for a state that no release wrote. */
export function evaluationState(state: string): EvaluationState {
  const found = EVALUATION_STATES[state];
  if (found === undefined) throw new Error(`an evaluation is in the unknown state ${state}`);
  return found;
}

const reasonSchema = z.looseObject({
  kind: z.string(),
  capability: z.string().optional(),
  unmet: z
    .array(z.object({ architecture: z.string(), required_features: z.array(z.string()) }))
    .optional(),
  pr_author: z.string().nullish(),
});

/** One sentence on what an evaluation waits for; null when it goes on. */
export function waitingText(
  row: Pick<EvaluationFacts, "state" | "waiting_reason_json" | "retry_at">,
): string | null {
  if (row.state === "Queued") {
    if (row.retry_at === null) return "It waits for a worker to begin.";
    const [, time] = /T([0-9:]*)/.exec(new Date(row.retry_at).toISOString()) ?? [];
    return `The last try failed, as the messages say; the next one is due at ${time} UTC.`;
  }
  if (row.state !== "Waiting" || row.waiting_reason_json === null) return null;
  const reason = readJsonColumn(reasonSchema, row.waiting_reason_json);
  switch (reason.kind) {
    case "no_cache":
      return "The organization has no cache to put results into: subscribe it to one.";
    case "cache_storage_full":
      return "The cache is full: make room, or raise its limit.";
    case "draining":
      return "The server gives out nothing new: it is to be stopped.";
    case "approval":
      return `Somebody of the organization has to approve the pull request of ${reason.pr_author ?? "a stranger"}.`;
    case "eval_workers":
      return reason.capability === "fetch"
        ? "No connected worker fetches sources for the organization."
        : "No connected worker evaluates for the organization.";
    case "workers":
      return `No connected worker can build for ${demandText(reason.unmet ?? [])}.`;
    default:
      return "It waits.";
  }
}

function demandText(
  unmet: readonly { architecture: string; required_features: readonly string[] }[],
): string {
  const texts = unmet.map(({ architecture, required_features: features }) =>
    features.length === 0 ? architecture : `${architecture} with ${features.join(", ")}`,
  );
  return [...new Set(texts)].join("; ");
}

/** Who or what started an evaluation. */
export function startedBy(row: EvaluationFacts): string {
  switch (row.trigger_type) {
    case "polling":
      return "a new commit";
    case "reporter_push":
      return "a push";
    case "reporter_pull_request":
      return `pull request #${row.pr_number ?? "?"}${row.pr_author === null ? "" : ` of ${row.pr_author}`}`;
    case "time":
      return "its schedule";
    case null:
      return row.triggered_by_name ?? "the API";
  }
}

/** The first line of a commit's message that is not blank. */
export function subjectOf(message: string | null): string {
  return (
    message
      ?.split("\n")
      .find((line) => line.trim() !== "")
      ?.trim() ?? ""
  );
}

/** How an attempt ended, in words. */
export function attemptText(status: string): string {
  return status.replaceAll("_", " ");
}
