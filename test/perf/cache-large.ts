import { join } from "node:path";
import type { TestFarm } from "../support/farm.ts";
import { fillLargeCache, LARGE_CACHE_PATHS } from "./large-cache.ts";
import type { Row } from "./report.ts";
import { load } from "./wrk.ts";

/** As many as Nix opens. */
const CONNECTIONS = 25;
const SECONDS = 8;
/** Until V8 has compiled what is used: until then each request takes ten times as long. */
const WARM_UP_SECONDS = 2;
/** More than the cache remembers, so that each is looked up. */
const SAMPLES = 20_000;

/** Narinfos of a cache with 1,000,000 paths, hardly one asked for twice. The farm is restarted for it, and has the paths from then on. */
export async function largeCacheRows(farm: TestFarm): Promise<Row[]> {
  await farm.coordinator.stop();
  const hashes = fillLargeCache(join(farm.dataDir, "farm.sqlite"), "main", SAMPLES);
  await farm.restartCoordinator();
  // Those that lie beside each other are not asked for one after the other.
  const paths = hashes.map((_, at) => `/cache/main/${hashes[(at * 7919) % SAMPLES]}.narinfo`);
  const first = await load(farm.url, paths, { connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  const { p99Ms, requests, seconds } = await load(farm.url, paths, {
    connections: CONNECTIONS,
    seconds: SECONDS,
  });
  process.stdout.write(
    `  ${LARGE_CACHE_PATHS} paths: ${(requests / seconds).toFixed(0)} narinfos a second; p99 of the first ${WARM_UP_SECONDS} s ${first.p99Ms.toFixed(1)} ms\n`,
  );
  return [
    {
      what: `narinfo of a cache with ${LARGE_CACHE_PATHS} paths, p99`,
      unit: "ms",
      ours: p99Ms,
      theirs: null,
      against: "limit",
      better: "less",
      target: 5,
    },
  ];
}
