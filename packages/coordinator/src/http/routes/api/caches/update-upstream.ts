import { notManaged } from "../../../../auth/authority.ts";
import { changeUpstream } from "../../../../caches/upstreams.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { upstreamChangeBody, upstreamParams } from "./upstream.ts";

/** PATCH /caches/{cache}/upstreams/{upstream} */
export const updateUpstreamRoute: Route = (api, { authority, database, masterKey }) => {
  api.patch(
    "/caches/:cache/upstreams/:upstream",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Changes an upstream of the cache as far as its kind allows it.",
        params: upstreamParams,
        body: upstreamChangeBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheUpstreams");
      notManaged(cache);
      await changeUpstream(
        { database, masterKey },
        { cacheId: cache.id, id: params.upstream },
        {
          displayName: body.display_name ?? undefined,
          mode: body.mode ?? undefined,
          url: body.url ?? undefined,
          publicKey: body.public_key ?? undefined,
          apiKey: body.api_key,
        },
      );
      return ok(`Upstream ${params.upstream} was changed`);
    },
  );
};
