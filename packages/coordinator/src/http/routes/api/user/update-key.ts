import { z } from "zod";
import { changeableKey, changeApiKey } from "../../../../accounts/change-api-key.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { apiKeySchema, toApiKey } from "./api-key.ts";

const params = z.object({ api_id: z.uuid() });

const body = z.object({
  name: z.string().max(100).nullish(),
  permissions: z.array(z.string()).max(64).nullish(),
  organization: z
    .string()
    .nullish()
    .describe("Absent: as it is. null or empty: no pin. Else the organization to pin to."),
  allowed_ips: z.array(z.string()).max(100).nullish(),
});

/** PATCH /user/keys/{api_id}: what is absent stays as it is; the secret always does. */
export const updateKeyRoute: Route = (api, { database, authority, clock }) => {
  api.patch(
    "/user/keys/:api_id",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes an API key without changing its secret.",
        params,
        body,
        response: { 200: envelope(apiKeySchema) },
      },
    },
    async (request) => {
      const owner = bySession(request.caller);
      const { name, permissions, organization, allowed_ips: allowedIps } = request.body;
      const by = { id: request.params.api_id };
      const key = await changeableKey(database, owner, by);
      await changeApiKey(
        { database, authority },
        { key, owner, actor: actorOf(request) },
        {
          name: name ?? undefined,
          permissions: permissions ?? undefined,
          organization: organization === "" ? null : organization,
          allowedIps: allowedIps ?? undefined,
        },
        clock.now(),
      );
      return ok(toApiKey(await changeableKey(database, owner, by)));
    },
  );
};
