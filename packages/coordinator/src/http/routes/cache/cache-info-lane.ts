import { headOf, type Lane, type LaneAnswer, type LaneRequest } from "../../lane.ts";
import type { RateLimits } from "../../rate-limits/rate-limits.ts";
import { CACHE_INFO_TYPE, cacheInfoText } from "./cache-info.ts";
import type { KnownCaches } from "./known-caches.ts";

const ROUTE = "/cache/:cache/nix-cache-info";
const URL = /^\/cache\/(?<cache>[a-z0-9-]{1,64})\/nix-cache-info$/;

/** What Nix asks of a public cache before anything else, so that its connection can stay with the lanes. */
export class CacheInfoLane implements Lane {
  readonly #caches: Pick<KnownCaches, "find">;
  readonly #rateLimits: RateLimits;

  constructor(options: { caches: Pick<KnownCaches, "find">; rateLimits: RateLimits }) {
    this.#caches = options.caches;
    this.#rateLimits = options.rateLimits;
  }

  answer(request: LaneRequest): LaneAnswer | null {
    const name = URL.exec(request.url ?? "")?.groups?.["cache"];
    if (name === undefined || request.method !== "GET") return null;
    const cache = this.#find(name);
    // Whom a local priority is for is the route's to find out.
    if (cache === null || cache.local_priority !== null) return null;
    if (this.#rateLimits.take("cache", request) > 0) return null;
    const body = cacheInfoText(cache.priority);
    const head = headOf({ "content-type": CACHE_INFO_TYPE, "content-length": body.length });
    return { route: ROUTE, status: 200, head, body, after() {} };
  }

  #find(name: string) {
    try {
      return this.#caches.find(name);
    } catch {
      // The long way meets the same failure, and knows how to answer and log it.
      return null;
    }
  }
}
