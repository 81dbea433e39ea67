import { z } from "zod";
import { endSession } from "../../../../accounts/revoke-session.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const params = z.object({ id: z.uuid() });

/** DELETE /user/sessions/{id} */
export const revokeSessionRoute: Route = (api, { database, clock }) => {
  api.delete(
    "/user/sessions/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Ends one of the caller's sessions at once.",
        params,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { user } = bySession(request.caller);
      const { id: sessionId } = request.params;
      const actor = actorOf(request);
      await endSession(database, { userId: user.id, sessionId, actor }, clock.now());
      return ok("The session was ended");
    },
  );
};
