import type { SurfaceCache } from "../../../db/cache-surface-view.ts";
import { isInRanges } from "../../../rules/address.ts";
import type { CacheRoute } from "../../api.ts";
import { GET_NARINFOS } from "./get-narinfos.ts";
import { isJsonWanted, sendText } from "./answers.ts";
import { readableCache } from "./cache-access.ts";

export const CACHE_INFO_TYPE = "text/x-nix-cache-info";

/** GET /cache/{cache}/nix-cache-info[?json] */
export const cacheInfo: CacheRoute = (app, services) => {
  const { config } = services;
  app.get<{ Params: { cache: string } }>("/:cache/nix-cache-info", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const priority = priorityFor(cache, request.ip, config.localIps);
    if (isJsonWanted(request)) {
      return { WantMassQuery: true, StoreDir: "/nix/store", Priority: priority };
    }
    return sendText(reply, CACHE_INFO_TYPE, cacheInfoText(priority));
  });
};

/** What a cache is, as Nix reads it. */
export function cacheInfoText(priority: number): string {
  // Nix takes 1 for yes and nothing else.
  const lines = ["StoreDir: /nix/store", "WantMassQuery: 1", `Priority: ${priority}`];
  lines.push(`GetNarInfosV1: ${GET_NARINFOS}`);
  return `${lines.join("\n")}\n`;
}

function priorityFor(cache: SurfaceCache, address: string, localIps: readonly string[]): number {
  return cache.local_priority && isInRanges(address, localIps)
    ? cache.local_priority
    : cache.priority;
}
