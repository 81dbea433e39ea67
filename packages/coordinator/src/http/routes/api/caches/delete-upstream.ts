import { notManaged } from "../../../../auth/authority.ts";
import { deleteUpstream } from "../../../../db/upstream-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { upstreamParams } from "./upstream.ts";

/** DELETE /caches/{cache}/upstreams/{upstream} */
export const deleteUpstreamRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/caches/:cache/upstreams/:upstream",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Takes an upstream from the cache.",
        params: upstreamParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheUpstreams");
      notManaged(cache);
      const key = { cacheId: cache.id, id: params.upstream };
      if (!(await deleteUpstream(database.kysely, key))) {
        throw new NotFoundError(`upstream ${params.upstream} does not exist`);
      }
      return ok(`Upstream ${params.upstream} was removed`);
    },
  );
};
