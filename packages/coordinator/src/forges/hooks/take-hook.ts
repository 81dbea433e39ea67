import { ZodError } from "zod";
import type { Queries } from "../../db/client.ts";
import {
  deleteDelivery,
  insertDelivery,
  type Integration,
} from "../../db/integration-repository.ts";
import { listTold, recordFired, type ToldTrigger } from "../../db/trigger-repository.ts";
import { BadRequestError, UnauthorizedError } from "../../errors.ts";
import type { MasterKey } from "../../keys/master-key.ts";
import type { Evaluations, TriggerOutcome } from "../../ports.ts";
import { configOf } from "../../triggers/stored-config.ts";
import { openSecret } from "../integrations.ts";
import { isSamePlace, placeOf } from "../repository-place.ts";
import type { HookEvent } from "./event.ts";
import { readGitHub } from "./read-github.ts";
import { readGitLab } from "./read-gitlab.ts";
import { deliveryOf, eventOf, isSigned, type HeaderOf } from "./signature.ts";
import { wantedStart } from "./wanted-start.ts";

export interface HookParts {
  readonly db: Queries;
  readonly masterKey: MasterKey;
  readonly evaluations: Evaluations;
}

/** A webhook as it came. */
export interface Hook {
  readonly header: HeaderOf;
  readonly body: Buffer;
}

interface ToldProject {
  readonly project_id: string;
  readonly project_name: string;
  readonly organization: string;
}

/** What came of a webhook. */
export interface HookResult {
  readonly event: string;
  readonly repository_urls: string[];
  readonly projects_scanned: number;
  readonly queued: (ToldProject & { readonly evaluation_id: string })[];
  readonly skipped: (ToldProject & { readonly reason: string })[];
  /** Why nothing was looked for. */
  readonly ignored: string | null;
}

/** One answer for an integration that is not there and a wrong signature: who does not know the secret learns nothing. */
export function refusedHook(): UnauthorizedError {
  return new UnauthorizedError(
    "there is no such integration with a secret, or the signature was not made with it",
  );
}

/** Whether the integration has a secret, and the webhook was made with it. */
export function isFrom(
  masterKey: MasterKey,
  integration: Integration,
  { header, body }: Hook,
): boolean {
  const secret = openSecret(masterKey, integration, "secret");
  return secret !== null && isSigned(integration.forge, secret, body, header);
}

/**
 * Starts what the integration's triggers want for an event. The signature was checked. A delivery that comes again changes nothing. Throws
 * BadRequestError for what is no such event.
 */
export async function takeHook(
  parts: HookParts,
  integration: Integration,
  hook: Hook,
  now: number,
): Promise<HookResult> {
  const event = eventOf(integration.forge, hook.header);
  const read = readEvent(integration, event, hook.body);
  if (read.kind === "ignored") return nothing(event, read.reason);
  const id = deliveryOf(integration.forge, hook.header);
  if (id === null) return dispatch(parts, integration, { event, read, now });
  const delivery = { integrationId: integration.id, delivery: id };
  if (!(await insertDelivery(parts.db, delivery, now))) {
    return nothing(event, "this delivery was taken before");
  }
  try {
    return await dispatch(parts, integration, { event, read, now });
  } catch (error) {
    await deleteDelivery(parts.db, delivery);
    throw error;
  }
}

function readEvent({ forge }: Integration, event: string, body: Buffer): HookEvent {
  try {
    const payload: unknown = JSON.parse(body.toString("utf8"));
    return forge === "gitlab" ? readGitLab(event, payload) : readGitHub(event, payload);
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      const text = "the body is not JSON; let the webhook send application/json";
      throw new BadRequestError(text, { code: "json_parsing", cause });
    }
    if (!(cause instanceof ZodError)) throw cause;
    const [issue] = cause.issues;
    const field = issue?.path.join(".") ?? "";
    throw new BadRequestError(
      `the body is no ${event} event: field "${field}": ${issue?.message ?? "wrong shape"}`,
      { cause },
    );
  }
}

function nothing(event: string, reason: string): HookResult {
  return {
    event,
    repository_urls: [],
    projects_scanned: 0,
    queued: [],
    skipped: [],
    ignored: reason,
  };
}

async function dispatch(
  parts: HookParts,
  integration: Integration,
  { event, read, now }: { event: string; read: HookEvent; now: number },
): Promise<HookResult> {
  const repositories = read.kind === "ignored" ? [] : read.repositories;
  const told = (await listTold(parts.db, integration.id)).filter(({ repository }) =>
    isOneOf(repository, repositories),
  );
  const queued: HookResult["queued"] = [];
  const skipped: HookResult["skipped"] = [];
  for (const trigger of told) {
    const outcome = await fire(parts, trigger, read, now);
    const project = {
      project_id: trigger.project_id,
      project_name: trigger.project_name,
      organization: trigger.organization_name,
    };
    if (typeof outcome === "string") skipped.push({ ...project, reason: outcome });
    else if (outcome.outcome === "created")
      queued.push({ ...project, evaluation_id: outcome.evaluation });
    else skipped.push({ ...project, reason: outcome.outcome });
  }
  return {
    event,
    repository_urls: [...repositories],
    projects_scanned: new Set(told.map(({ project_id }) => project_id)).size,
    queued,
    skipped,
    ignored: null,
  };
}

async function fire(
  { db, evaluations }: HookParts,
  trigger: ToldTrigger,
  event: HookEvent,
  now: number,
): Promise<TriggerOutcome | "not_wanted" | "closed"> {
  const { id, type, project_id: projectId } = trigger;
  if (event.kind === "pull_request" && event.action === "closed") {
    if (type !== "reporter_pull_request") return "not_wanted";
    await evaluations.abortPullRequest(projectId, event.number);
    return "closed";
  }
  const wanted = wantedStart(configOf(trigger), event);
  if (wanted === null) return "not_wanted";
  const outcome = await evaluations.startTriggered({ projectId, trigger: { id, type }, ...wanted });
  if (outcome.outcome === "created") await recordFired(db, id, now);
  return outcome;
}

function isOneOf(repository: string, addresses: readonly string[]): boolean {
  const place = placeOf(repository);
  return (
    place !== null &&
    addresses.some((address) => {
      const other = placeOf(address);
      return other !== null && isSamePlace(place, other);
    })
  );
}
