import { z } from "zod";
import { changeableKey, removeApiKey } from "../../../../accounts/change-api-key.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({ name: z.string() });

/** DELETE /user/keys */
export const deleteKeyRoute: Route = (api, { database, clock }) => {
  api.delete(
    "/user/keys",
    {
      config: { access: "required" },
      schema: { summary: "Deletes an API key.", body, response: { 200: textEnvelope } },
    },
    async (request) => {
      const owner = bySession(request.caller);
      const { name } = request.body;
      const key = await changeableKey(database, owner, { name });
      await removeApiKey(database, { key, actor: actorOf(request) }, clock.now());
      return ok(`API key "${name}" was deleted`);
    },
  );
};
