import type { Declarable } from "../../db/state-view.ts";
import { nixPublicKey } from "../../keys/cache-key.ts";
import type { Names } from "../export-state.ts";
import { membersOf } from "./people.ts";

/** Secret halves of keys as the master key has sealed them. */
export function exportCaches(rows: Declarable, names: Names): object {
  return Object.fromEntries(
    rows.caches.map((cache) => [
      cache.name,
      {
        id: cache.id,
        display_name: cache.display_name,
        description: cache.description,
        active: cache.active === 1,
        priority: cache.priority,
        local_priority: cache.local_priority,
        max_storage_gb: cache.max_storage_gb,
        public: cache.public === 1,
        signing_keys: rows.cacheKeys
          .filter((key) => key.cache_id === cache.id)
          .map((key) => ({ public_key: nixPublicKey(key), sealed: key.private_key })),
        organizations: rows.subscriptions
          .filter((each) => each.cache_id === cache.id)
          .map(({ organization, mode }) => ({ organization, mode })),
        upstreams: rows.upstreams
          .filter((upstream) => upstream.cache_id === cache.id)
          .map((upstream) => upstreamOf(upstream, names)),
        members: membersOf(rows.cacheMembers, cache.id),
        created_by: names.creator(cache.created_by),
      },
    ]),
  );
}

function upstreamOf(upstream: Declarable["upstreams"][number], names: Names): object {
  const { display_name, mode, url, public_key } = upstream;
  switch (upstream.kind) {
    case "internal": {
      const cache_name = names.caches.get(upstream.upstream_cache_id ?? "");
      return { type: "internal", cache_name, display_name, mode };
    }
    case "http":
      return { type: "external", display_name, url, public_key };
    case "gradient_proto":
      return {
        type: "gradient",
        id: upstream.id,
        display_name,
        mode,
        url,
        public_key,
        remote_cache: upstream.remote_cache,
        api_key_sealed: upstream.sealed_api_key,
      };
  }
}
