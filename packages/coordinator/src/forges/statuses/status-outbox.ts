import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../../clock.ts";
import { insertDelivery } from "../../db/action-delivery-repository.ts";
import type { Database } from "../../db/client.ts";
import { insertMessages } from "../../db/job-repository.ts";
import {
  deleteReport,
  findDueReports,
  markPendingSent,
  postponeReport,
  type DueReport,
} from "../../db/forge-report-repository.ts";
import { SealError, type MasterKey } from "../../keys/master-key.ts";
import type { Logger } from "../../logger.ts";
import type { OutboundClient } from "../../outbound/outbound-client.ts";
import { OutboundError } from "../../outbound/outbound-error.ts";
import { Outbox } from "../../outbound/outbox.ts";
import { openSecret } from "../integrations.ts";
import { placeOf } from "../repository-place.ts";
import { statusRequest, type CommitStatus, type ReportedState } from "./status-request.ts";

const DEADLINE_MS = 15_000;
const FIRST_DELAY_MS = 10_000;
const MAX_DELAY_MS = 3600 * 1000;
/** About a day. */
const MAX_TRIES = 30;

export interface StatusOutboxOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly masterKey: MasterKey;
  readonly outbound: OutboundClient;
  readonly serveUrl: string;
}

/** A status that the forge did not take. */
interface Refusal {
  readonly reason: string;
  readonly isTransient: boolean;
}

/**
 * Tells forges how evaluations of their commits go: pending at the start, then the result. What is still to be told stands in the database,
 * beside the evaluation's own state, so nothing is forgotten and nothing is told in the wrong order.
 */
export function openStatusOutbox(options: StatusOutboxOptions): Outbox<DueReport> {
  const { database, clock, logger } = options;
  return new Outbox<DueReport>({
    name: "statuses",
    clock,
    logger,
    due: (now, limit, except) => findDueReports(database.kysely, now, limit, except),
    idOf: ({ evaluation }) => evaluation,
    senderOf: ({ integration }) => integration.id,
    receiverOf: ({ integration }) => integration.endpoint_url ?? integration.forge,
    tell: (report) => tellForge(options, report),
  });
}

async function tellForge(options: StatusOutboxOptions, report: DueReport): Promise<void> {
  const { database, logger, clock } = options;
  const db = database.kysely;
  const state = stateOf(report.state);
  // It ended before anybody knew its commit: there is nothing to put a status on.
  if (report.revision === "") return deleteReport(db, report);
  const start = clock.now();
  const refusal = await send(options, report, state);
  await keep(options, report, state, { refusal, start });
  if (refusal === null && state === "pending") return markPendingSent(db, report.evaluation);
  if (refusal === null) return deleteReport(db, report);
  const { evaluation, tries } = report;
  logger.warn({ evaluation, reason: refusal.reason }, "a forge did not take a commit's status");
  if (refusal.isTransient && tries + 1 < MAX_TRIES) return postpone(options, report);
  await deleteReport(db, report);
  const text = `the forge was not told of the result: ${refusal.reason}`;
  await insertMessages(db, evaluation, [{ level: "Warning", text }], clock.now());
}

/** Among the deliveries of the project's action, when one asked for it. */
async function keep(
  { database, clock }: StatusOutboxOptions,
  { action, evaluation, state: evaluationState, tries }: DueReport,
  state: ReportedState,
  { refusal, start }: { refusal: Refusal | null; start: number },
): Promise<void> {
  if (action === null) return;
  await database.relaxedTransaction(({ kysely }) =>
    insertDelivery(kysely, {
      id: uuidv7(),
      action_id: action,
      event: `status.${state}`,
      state: evaluationState,
      evaluation_id: evaluation,
      created_at: start,
      tries: tries + 1,
      is_delivered: refusal === null ? 1 : 0,
      error: refusal?.reason ?? null,
      duration_ms: clock.now() - start,
      tried_at: clock.now(),
    }),
  );
}

async function postpone(
  { database, clock }: StatusOutboxOptions,
  { evaluation, tries }: DueReport,
): Promise<void> {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(tries, 20), MAX_DELAY_MS);
  const dueAt = clock.now() + delayMs;
  await postponeReport(database.kysely, evaluation, { tries: tries + 1, dueAt });
}

/** Null when the forge took it. */
async function send(
  { masterKey, outbound, serveUrl }: StatusOutboxOptions,
  report: DueReport,
  state: ReportedState,
): Promise<Refusal | null> {
  const { integration } = report;
  try {
    const token = openSecret(masterKey, integration, "access token");
    const status = statusOf(report, state, serveUrl);
    const { forge, endpoint_url: endpoint } = integration;
    const request =
      token === null || status === null ? null : statusRequest({ forge, endpoint, token }, status);
    if (request === null) return final(`integration "${integration.name}" has no access token`);
    const answer = await outbound.ask({ ...request, deadlineMs: DEADLINE_MS });
    return answer.status < 300 ? null : refusalOf(answer.status, answer.body);
  } catch (error) {
    if (error instanceof OutboundError) {
      return { reason: error.message, isTransient: error.shouldRetry() };
    }
    if (error instanceof SealError) return final("its access token cannot be opened");
    throw error;
  }
}

function statusOf(report: DueReport, state: ReportedState, serveUrl: string): CommitStatus | null {
  const place = placeOf(report.repository);
  if (place === null) return null;
  const { organizationName, projectName, pullRequest, revision, number } = report;
  const kind = pullRequest === null ? "" : " (pull request)";
  return {
    revision,
    path: place.path,
    state,
    targetUrl: `${serveUrl}/eval/${number}`,
    description:
      state === "pending" && report.needsApproval ? WAITS_FOR_APPROVAL : DESCRIPTIONS[state],
    context: `gradient/${organizationName}/${projectName}${kind}`,
  };
}

const DESCRIPTIONS = {
  pending: "The evaluation has begun",
  success: "Everything was built",
  failure: "Something could not be evaluated or built",
  error: "The evaluation was aborted",
} as const satisfies Record<ReportedState, string>;

const WAITS_FOR_APPROVAL = "Somebody of the organization has to allow it first";

const FINAL_STATES: Readonly<Record<string, ReportedState>> = {
  Completed: "success",
  Failed: "failure",
  Aborted: "error",
};

function stateOf(state: string): ReportedState {
  return FINAL_STATES[state] ?? "pending";
}

const MAX_SHOWN_CHARACTERS = 200;

/** Too many requests and faults of the server pass; a wrong token or a commit that the forge does not have stay. */
function refusalOf(status: number, body: Buffer): Refusal {
  const said = body.toString("utf8").slice(0, MAX_SHOWN_CHARACTERS).replaceAll(/\s+/g, " ");
  const isTransient = status >= 500 || status === 429 || status === 408;
  return { reason: `it answered ${status}: ${said}`, isTransient };
}

function final(reason: string): Refusal {
  return { reason, isTransient: false };
}
