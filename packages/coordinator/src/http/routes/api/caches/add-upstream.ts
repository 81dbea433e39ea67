import type { z } from "zod";
import { notManaged, type Authority } from "../../../../auth/authority.ts";
import type { Caller } from "../../../../auth/caller.ts";
import { addUpstream, type UpstreamRequest } from "../../../../caches/upstreams.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { newUpstreamBody } from "./upstream.ts";

/** PUT /caches/{cache}/upstreams: the answer is the new upstream's id. */
export const addUpstreamRoute: Route = (api, { authority, database, masterKey, clock }) => {
  api.put(
    "/caches/:cache/upstreams",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Adds a place where the cache looks for paths that it does not have.",
        params: cacheParams,
        body: newUpstreamBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheUpstreams");
      notManaged(cache);
      const upstream = await toRequest(authority, caller, body);
      return ok(await addUpstream({ database, masterKey }, cache.id, upstream, clock.now()));
    },
  );
};

async function toRequest(
  authority: Authority,
  caller: Caller,
  body: z.infer<typeof newUpstreamBody>,
): Promise<UpstreamRequest> {
  switch (body.type) {
    case "internal":
      return {
        kind: body.type,
        upstream: await authority.readCache(caller, body.cache_name),
        displayName: body.display_name ?? null,
        mode: body.mode ?? null,
      };
    case "http":
      return {
        kind: body.type,
        displayName: body.display_name,
        url: body.url,
        publicKey: body.public_key,
      };
    case "gradient_proto":
      return {
        kind: body.type,
        displayName: body.display_name,
        url: body.url,
        remoteCache: body.remote_cache,
        publicKey: body.public_key ?? null,
        apiKey: body.api_key ?? null,
        mode: body.mode ?? null,
      };
  }
}
