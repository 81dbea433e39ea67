import { logOut } from "../../../../accounts/log-out.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

/** POST /auth/logout: ends the session that is shown, if any. API keys are left alone. */
export const logoutRoute: Route = (api, { database, clock, serveUrl }) => {
  api.post(
    "/auth/logout",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Ends the session that is shown and clears its cookie.",
        response: { 200: textEnvelope },
      },
    },
    async (request, reply) => {
      const { caller } = request;
      if (caller.kind === "signed-in" && caller.sessionId !== null) {
        const { sessionId } = caller;
        await logOut(database, { sessionId, actor: actorOf(request) }, clock.now());
      }
      const cookie = sessionCookie("", {
        isSecure: serveUrl.startsWith("https:"),
        maxAgeSeconds: 0,
      });
      return reply.header("set-cookie", cookie).send(ok("Logged out"));
    },
  );
};
