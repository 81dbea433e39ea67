import { signedIn } from "../../../../auth/authority.ts";
import { listCaches } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { cacheSchema, toCache } from "./cache.ts";

/** GET /caches: those that the caller has part in. */
export const listCachesRoute: Route = (api, { database }) => {
  api.get(
    "/caches",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the caches that the caller has part in.",
        querystring: pageQuery,
        response: { 200: pageEnvelope(cacheSchema) },
      },
    },
    async (request) => {
      const { user, key } = signedIn(request.caller);
      const viewer = { userId: user.id, onlyOrganizationId: key?.organizationId ?? null };
      const { items, total } = await listCaches(database.kysely, viewer, request.query);
      return okPage(items.map(toCache), total, request.query);
    },
  );
};
