import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { listApiKeys } from "../../../../db/api-key-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { apiKeySchema, toApiKey } from "./api-key.ts";

/** GET /user/keys, newest first. */
export const listKeysRoute: Route = (api, { database }) => {
  api.get(
    "/user/keys",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the caller's API keys, the newest first.",
        response: { 200: envelope(z.array(apiKeySchema)) },
      },
    },
    async (request) => {
      const keys = await listApiKeys(database.kysely, signedIn(request.caller).user.id);
      return ok(keys.map(toApiKey));
    },
  );
};
