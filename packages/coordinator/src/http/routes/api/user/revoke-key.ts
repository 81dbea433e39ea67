import { z } from "zod";
import { changeableKey, revokeApiKey } from "../../../../accounts/change-api-key.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const params = z.object({ api_id: z.uuid() });

/** POST /user/keys/{api_id}/revoke: it is still listed. */
export const revokeKeyRoute: Route = (api, { database, clock }) => {
  api.post(
    "/user/keys/:api_id/revoke",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes an API key worthless and keeps it in the list.",
        params,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const owner = bySession(request.caller);
      const key = await changeableKey(database, owner, { id: request.params.api_id });
      await revokeApiKey(database, { key, actor: actorOf(request) }, clock.now());
      return ok(`API key "${key.name}" was revoked`);
    },
  );
};
