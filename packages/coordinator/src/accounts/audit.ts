import { v7 as uuidv7 } from "uuid";
import { insertAuditEvent } from "../db/audit-repository.ts";
import type { Queries } from "../db/client.ts";

/** Every event that the audit trail knows. */
export type AuditEvent =
  | "login.success"
  | "login.failure"
  | "logout"
  | "register"
  | "user.delete"
  | `api_key.${"create" | "update" | "revoke" | "delete"}`
  | "session.revoke"
  | "auth.deny"
  | `cli.device.${"start" | "authorize" | "deny"}`
  | "organization.delete"
  | `organization.member.${"add" | "remove" | "role_change"}`
  | `organization.role.${"create" | "update" | "delete"}`
  | "project.delete"
  | "cache.delete"
  | `cache.key.${"create" | "import" | "retire" | "delete"}`
  | `cache.nar.${"delete" | "upload"}`
  | `cache.role.${"create" | "update" | "delete"}`
  | `cache.member.${"create" | "update" | "delete"}`;

/** Who did it and from where; `actorOf(request)` of http/actor.ts makes one of a request. */
export interface Actor {
  /** Whose trail it stands in; null when that is nobody's, as a login with an unknown name. */
  userId: string | null;
  /** The API key that was used, if any. */
  apiKeyId: string | null;
  /** Client address after trusted proxies were looked through. */
  ip: string | null;
  userAgent: string | null;
}

export interface AuditEntry {
  event: AuditEvent;
  actor: Actor;
  /** Name of what it was done to, as its users know it: `acme`, `acme/website`, `ci-key`, a store path's base name. */
  subject?: string;
  /** Few and small; never a secret. */
  details?: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * Writes one event to the audit trail, which its actor reads at GET /api/v1/user/audit-log.
 *
 * Call it from the feature that makes the change, with the `kysely` of the same transaction, so that there is no change without its event and
 * no event of a change that was rolled back:
 *
 *     await database.transaction(async ({ kysely }) => {
 *       await deleteCache(kysely, cache.id);
 *       await audit(kysely, { event: "cache.delete", actor, subject: cache.name }, now);
 *     });
 *
 * The route passes `actorOf(request)` on as `actor`. `now` is in milliseconds since the epoch.
 */
export async function audit(db: Queries, entry: AuditEntry, now: number): Promise<void> {
  await insertAuditEvent(db, {
    id: uuidv7(),
    event: entry.event,
    user_id: entry.actor.userId,
    api_key_id: entry.actor.apiKeyId,
    ip: entry.actor.ip,
    user_agent: entry.actor.userAgent,
    subject: entry.subject ?? null,
    details_json: JSON.stringify(entry.details ?? {}),
    created_at: now,
  });
}
