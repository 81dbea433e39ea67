import { z } from "zod";
import { listNars } from "../../../../db/cache-nar-view.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { cacheParams } from "./cache.ts";
import { listedNarSchema, toListedNar } from "./listed-nar.ts";

const MAX_PER_PAGE = 200;
const DEFAULT_PER_PAGE = 50;

const querystring = z.object({
  page: z.coerce.number().int().optional(),
  per_page: z.coerce.number().int().optional(),
  hash: z.string().max(32).optional(),
  package: z.string().max(211).optional(),
  sort: z.enum(["created_at", "nar_size", "last_fetched_at"]).default("created_at"),
  order: z.enum(["asc", "desc"]).default("desc"),
});

/** GET /caches/{cache}/nars */
export const listNarsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/nars",
    {
      ...longAnswer,
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary:
          "Lists the paths of a cache, by the beginning of their hash, by a part of their name, and in a chosen order",
        params: cacheParams,
        querystring,
        response: { 200: pageEnvelope(listedNarSchema) },
      },
    },
    async ({ caller, params, query }) => {
      const { cache } = await authority.readCache(caller, params.cache);
      const page = {
        page: Math.max(1, query.page ?? 1),
        perPage: Math.min(MAX_PER_PAGE, Math.max(1, query.per_page ?? DEFAULT_PER_PAGE)),
      };
      const { items, total } = await listNars(database.kysely, cache.id, {
        hashPrefix: query.hash || null,
        packageText: query.package || null,
        sort: query.sort,
        order: query.order,
        page,
      });
      return okPage(items.map(toListedNar), total, page);
    },
  );
};
