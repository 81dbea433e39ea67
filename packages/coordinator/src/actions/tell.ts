import { createHmac } from "node:crypto";
import type { Action } from "../db/action-repository.ts";
import { messageOf } from "../error-facts.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { SealError } from "../keys/master-key.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import { OutboundError } from "../outbound/outbound-error.ts";
import { storedConfigOf } from "./action-config.ts";
import { actionContext } from "./change-action.ts";
import { mailOf, requestOf, type ActionNews } from "./news.ts";

export interface TellerOptions {
  readonly masterKey: MasterKey;
  readonly outbound: OutboundClient;
  readonly mailer: Mailer | null;
  readonly serveUrl: string;
}

/** What came of one try. */
export interface Told {
  readonly isDelivered: boolean;
  /** As it was sent. */
  readonly requestBody: string;
  readonly status: number | null;
  readonly responseBody: string | null;
  /** Why it was not delivered. */
  readonly error: string | null;
  /** Whether it may go better later. */
  readonly isTransient: boolean;
}

const DEADLINE_MS = 15_000;
/** Of an answer; what is longer is no answer to a notice. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Tells one thing to one receiver, once. Never rejects for what the receiver does. */
export async function tell(
  options: TellerOptions,
  action: Pick<Action, "id" | "type" | "config_json" | "token">,
  news: ActionNews,
): Promise<Told> {
  const config = storedConfigOf(action);
  switch (config.type) {
    case "send_mail":
      return sendMail(options, config, news);
    case "send_web_request":
      return sendRequest(options, { ...config, action }, news);
    case "forge_status_report":
      return failed("", "statuses are not told one by one", false);
  }
}

async function sendMail(
  { mailer, serveUrl }: TellerOptions,
  config: { recipients: readonly string[]; subject_template?: string | null | undefined },
  news: ActionNews,
): Promise<Told> {
  const { subject, text } = mailOf(news, config.subject_template ?? null, serveUrl);
  const body = `${subject}\n\n${text}`;
  if (mailer === null) return failed(body, "this server sends no mail", false);
  try {
    await mailer.send({ to: config.recipients, subject, text });
    return delivered(body);
  } catch (error) {
    return failed(
      body,
      `the mail server did not take it: ${messageOf(error)}`,
      !isFinalReply(error),
    );
  }
}

/** SMTP replies from 500 on are for good (RFC 5321, 4.2.1). */
function isFinalReply(error: unknown): boolean {
  return (
    error instanceof Error &&
    "responseCode" in error &&
    typeof error.responseCode === "number" &&
    error.responseCode >= 500
  );
}

async function sendRequest(
  { masterKey, outbound, serveUrl }: TellerOptions,
  { url, action }: { url: string; action: Pick<Action, "id" | "token"> },
  news: ActionNews,
): Promise<Told> {
  const body = JSON.stringify(requestOf(news, serveUrl));
  try {
    const token =
      action.token === null ? null : masterKey.open(action.token, actionContext(action.id));
    const answer = await outbound.ask({
      url,
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-gradient-event": news.event,
        "x-gradient-delivery": news.delivery,
        ...(token === null ? {} : signedHeaders(token, body)),
      },
      body,
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_ANSWER_BYTES,
    });
    const { status } = answer;
    const responseBody = answer.body.toString();
    if (status < 300) return { ...delivered(body), status, responseBody };
    const isTransient = status >= 500 || status === 429 || status === 408;
    return { ...failed(body, `it answered ${status}`, isTransient), status, responseBody };
  } catch (error) {
    if (error instanceof OutboundError) return failed(body, error.message, error.shouldRetry());
    if (error instanceof SealError) return failed(body, "its token cannot be opened", false);
    throw error;
  }
}

function signedHeaders(token: string, body: string): Record<string, string> {
  const signature = createHmac("sha256", token).update(body).digest("hex");
  return { authorization: `Bearer ${token}`, "x-gradient-signature": `sha256=${signature}` };
}

function delivered(requestBody: string): Told {
  const nothing = { status: null, responseBody: null, error: null };
  return { isDelivered: true, requestBody, ...nothing, isTransient: false };
}

function failed(requestBody: string, error: string, isTransient: boolean): Told {
  return { isDelivered: false, requestBody, status: null, responseBody: null, error, isTransient };
}

/** Columns of a try that began and ended at these times. */
export function outcomeOf(told: Told, start: number, end: number) {
  return {
    is_delivered: told.isDelivered ? 1 : 0,
    request_body: told.requestBody,
    response_status: told.status,
    response_body: told.responseBody,
    error: told.error,
    duration_ms: end - start,
    tried_at: end,
  } as const;
}
