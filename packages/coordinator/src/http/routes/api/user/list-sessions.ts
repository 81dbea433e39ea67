import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { listLiveSessions } from "../../../../db/session-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";

const session = z.object({
  id: z.uuid(),
  user_agent: z.string().nullable(),
  ip: z.string().nullable(),
  created_at: timestamp,
  last_used_at: timestamp,
  expires_at: timestamp,
  remember_me: z.boolean(),
  current: z.boolean(),
});

/** GET /user/sessions, newest first. */
export const listSessionsRoute: Route = (api, { database, clock }) => {
  api.get(
    "/user/sessions",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists where the caller is signed in.",
        response: { 200: envelope(z.array(session)) },
      },
    },
    async (request) => {
      const { user, sessionId } = signedIn(request.caller);
      const sessions = await listLiveSessions(database.kysely, user.id, clock.now());
      return ok(
        sessions.map((each) => ({
          id: each.id,
          user_agent: each.user_agent,
          ip: each.ip,
          created_at: toTimestamp(each.created_at),
          last_used_at: toTimestamp(each.last_used_at),
          expires_at: toTimestamp(each.expires_at),
          remember_me: each.remember_me === 1,
          current: each.id === sessionId,
        })),
      );
    },
  );
};
