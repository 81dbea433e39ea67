import { z } from "zod";
import { findPendingLogin } from "../../../../accounts/device-login.ts";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";

const querystring = z.object({ user_code: z.string() });

const waiting = z.object({
  user_code: z.string(),
  expires_at: timestamp,
  user_agent: z.string().nullable(),
  ip: z.string().nullable(),
});

/** GET /auth/cli/info */
export const getDeviceLoginRoute: Route = (api, { database, clock }) => {
  api.get(
    "/auth/cli/info",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows which program waits to be let in under a code.",
        querystring,
        response: { 200: envelope(waiting), 404: errorEnvelope },
      },
    },
    async (request) => {
      signedIn(request.caller);
      const { user_code: typed } = request.query;
      const login = await findPendingLogin(database.kysely, typed, clock.now());
      return ok({
        user_code: login.userCode,
        expires_at: toTimestamp(login.expires_at),
        user_agent: login.user_agent,
        ip: login.ip,
      });
    },
  );
};
