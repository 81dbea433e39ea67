import { z } from "zod";
import { listUpstreams } from "../../../../db/upstream-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { toUpstream, upstreamSchema } from "./upstream.ts";

/** GET /caches/{cache}/upstreams */
export const listUpstreamsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/upstreams",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary:
          "Lists where the cache looks for paths that it does not have, in the order of asking.",
        params: cacheParams,
        response: { 200: envelope(z.array(upstreamSchema)) },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(request.caller, request.params.cache, "viewCache");
      const upstreams = await listUpstreams(database.kysely, cache.id);
      return ok(upstreams.map(toUpstream));
    },
  );
};
