import { z } from "zod";
import { mintApiKey } from "../../../../accounts/mint-api-key.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  name: z.string().max(100),
  permissions: z.array(z.string()).max(64),
  organization: z.string().nullish(),
  cache: z.string().nullish(),
  expires_in_days: z.int().min(1).max(36_500).nullish(),
  allowed_ips: z.array(z.string()).max(100).nullish(),
});

/** POST /user/keys: the answer is the key, shown this once. */
export const createKeyRoute: Route = (api, { database, authority, clock }) => {
  api.post(
    "/user/keys",
    {
      config: { access: "required" },
      schema: {
        summary: "Creates an API key, which is only in this answer.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const owner = bySession(request.caller);
      const key = await mintApiKey(
        { database, authority },
        owner,
        {
          name: request.body.name,
          permissions: request.body.permissions,
          organization: request.body.organization ?? null,
          cache: request.body.cache ?? null,
          expiresInDays: request.body.expires_in_days ?? null,
          allowedIps: request.body.allowed_ips ?? [],
          actor: actorOf(request),
        },
        clock.now(),
      );
      return ok(key);
    },
  );
};
