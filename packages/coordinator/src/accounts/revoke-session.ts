import type { Database } from "../db/client.ts";
import { findLiveSession, revokeSession } from "../db/session-repository.ts";
import { NotFoundError } from "../errors.ts";
import { audit, type Actor } from "./audit.ts";

/** Ends one of the user's sessions at once. Throws NotFoundError. */
export async function endSession(
  database: Database,
  { userId, sessionId, actor }: { userId: string; sessionId: string; actor: Actor },
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    const session = await findLiveSession(kysely, sessionId, now);
    if (session === undefined || session.user_id !== userId) {
      throw new NotFoundError(`you have no session ${sessionId}`);
    }
    await revokeSession(kysely, sessionId, now);
    const details = { ip: session.ip, user_agent: session.user_agent };
    await audit(kysely, { event: "session.revoke", actor, subject: sessionId, details }, now);
  });
}
