import type { Database } from "../db/client.ts";
import { revokeSession } from "../db/session-repository.ts";
import { audit, type Actor } from "./audit.ts";

/** Ends a session: its token is worthless at once. */
export async function logOut(
  database: Database,
  { sessionId, actor }: { sessionId: string; actor: Actor },
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    await revokeSession(kysely, sessionId, now);
    await audit(kysely, { event: "logout", actor }, now);
  });
}
