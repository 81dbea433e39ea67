import { z } from "zod";
import { bySession, notManaged } from "../../../../auth/authority.ts";
import { deleteApiKey, findApiKeyByName } from "../../../../db/api-key-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({ name: z.string() });

/** DELETE /user/keys */
export const deleteKeyRoute: Route = (api, { database }) => {
  api.delete(
    "/user/keys",
    {
      config: { access: "required" },
      schema: { summary: "Deletes an API key.", body, response: { 200: textEnvelope } },
    },
    async (request) => {
      const owner = bySession(request.caller);
      const { name } = request.body;
      const key = await findApiKeyByName(database.kysely, owner.user.id, name);
      if (key === undefined) throw new NotFoundError(`you have no API key named "${name}"`);
      notManaged(key);
      await deleteApiKey(database.kysely, key.id);
      return ok(`API key "${name}" was deleted`);
    },
  );
};
