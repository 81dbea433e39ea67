import { listPublicCaches } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { cacheSchema, toCache } from "./cache.ts";

/** GET /caches/public */
export const listPublicCachesRoute: Route = (api, { database }) => {
  api.get(
    "/caches/public",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the caches that everybody may read.",
        querystring: pageQuery,
        response: { 200: pageEnvelope(cacheSchema) },
      },
    },
    async (request) => {
      const { items, total } = await listPublicCaches(database.kysely, request.query);
      return okPage(items.map(toCache), total, request.query);
    },
  );
};
