import { countPins, listPins } from "../../../../db/cache-pin-repository.ts";
import { offsetOf } from "../../../../db/page.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { pinSchema, toPin } from "./pin.ts";

/** GET /caches/{cache}/pins */
export const listPinsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/pins",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lists what a cache keeps although nobody fetches it, the newest first.",
        params: cacheParams,
        querystring: pageQuery,
        response: { 200: pageEnvelope(pinSchema) },
      },
    },
    async ({ caller, params, query }) => {
      const { cache } = await authority.cache(caller, params.cache, "writeStore");
      const { kysely } = database;
      const range = { limit: query.perPage, offset: offsetOf(query) };
      const pins = await listPins(kysely, cache.id, range);
      return okPage(pins.map(toPin), await countPins(kysely, cache.id), query);
    },
  );
};
