import { v7 as uuidv7 } from "uuid";
import type { SessionTokens } from "../auth/session-token.ts";
import type { Database } from "../db/client.ts";
import { deleteExpiredSessions, insertSession } from "../db/session-repository.ts";
import { recordLogin, type User } from "../db/user-repository.ts";
import { audit, type Actor } from "./audit.ts";

const DAY_SECONDS = 86_400;
const SESSION_SECONDS = DAY_SECONDS;
export const REMEMBERED_SESSION_SECONDS = 30 * DAY_SECONDS;

export interface SessionRequest {
  user: Pick<User, "id" | "username">;
  /** How the user showed who they are. */
  method: "password" | "oidc" | "device";
  /** 30 days in place of one. */
  isRemembered: boolean;
  /** Who will use the session, as far as the request tells. */
  actor: Actor;
}

/** Opens a session of a user who has shown who they are, and returns its token. */
export async function openSession(
  dependencies: { database: Database; tokens: SessionTokens },
  request: SessionRequest,
  now: number,
): Promise<string> {
  const { user, isRemembered } = request;
  const seconds = isRemembered ? REMEMBERED_SESSION_SECONDS : SESSION_SECONDS;
  const session = {
    id: uuidv7(),
    user_id: user.id,
    created_at: now,
    expires_at: now + seconds * 1000,
    last_used_at: now,
    revoked_at: null,
    user_agent: request.actor.userAgent,
    ip: request.actor.ip,
    remember_me: isRemembered ? (1 as const) : (0 as const),
  };
  const actor = { ...request.actor, userId: user.id };
  const details = { method: request.method };
  await dependencies.database.transaction(async ({ kysely }) => {
    await deleteExpiredSessions(kysely, user.id, now);
    await insertSession(kysely, session);
    await recordLogin(kysely, user.id, now);
    await audit(kysely, { event: "login.success", actor, subject: user.username, details }, now);
  });
  return dependencies.tokens.sign(
    { userId: user.id, sessionId: session.id },
    { issuedAt: now, expiresAt: session.expires_at },
  );
}
