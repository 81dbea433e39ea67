import type { Traffic } from "../db/cache-traffic-repository.ts";

/** Names of caches by id; without those that are gone. */
export type CacheNames = (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;

/** So many caches are told apart: anybody may make some, and each is several series. */
const MAX_NAMED = 100;
const OTHERS = "(others)";

/** Traffic by the caches' names: of those that were asked first since the start, and of all others together, so that no series ever falls. */
export async function namedTraffic(
  traffic: ReadonlyMap<string, Traffic>,
  cacheNames: CacheNames,
): Promise<Map<string, Traffic>> {
  const all = [...traffic];
  const first = all.slice(0, MAX_NAMED);
  const names = await cacheNames(first.map(([id]) => id));
  const named = new Map<string, Traffic>();
  for (const [id, figures] of first) {
    const name = names.get(id);
    if (name !== undefined) named.set(name, figures);
  }
  for (const [, figures] of all.slice(MAX_NAMED)) {
    named.set(OTHERS, sum(named.get(OTHERS), figures));
  }
  return named;
}

function sum(a: Traffic | undefined, b: Traffic): Traffic {
  return {
    hits: (a?.hits ?? 0) + b.hits,
    misses: (a?.misses ?? 0) + b.misses,
    narRequests: (a?.narRequests ?? 0) + b.narRequests,
    narBytes: (a?.narBytes ?? 0) + b.narBytes,
  };
}
