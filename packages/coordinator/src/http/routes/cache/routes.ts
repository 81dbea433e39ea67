import type { CacheRoute } from "../../api.ts";
import { buildLog } from "./build-log.ts";
import { cacheInfo } from "./cache-info.ts";
import { gradientCacheInfo } from "./gradient-cache-info.ts";
import { debugInfo } from "./debug-info.ts";
import { listing } from "./listing.ts";
import { getNarinfos } from "./get-narinfos.ts";
import { narinfos } from "./narinfos.ts";
import { nars } from "./nars.ts";
import { nar } from "./nar.ts";
import { narinfo } from "./narinfo.ts";
import { putCacheInfo } from "./put-cache-info.ts";
import { putLog } from "./put-log.ts";
import { putNar } from "./put-nar.ts";
import { putPathInfo } from "./put-path-info.ts";
import { realisations } from "./realisations.ts";
import { serve } from "./serve.ts";
import { upstreamNar } from "./upstream-nar.ts";

/** The binary cache, under /cache. */
export const cacheRoutes: readonly CacheRoute[] = [
  cacheInfo,
  gradientCacheInfo,
  nar,
  buildLog,
  narinfo,
  narinfos,
  getNarinfos,
  nars,
  listing,
  serve,
  upstreamNar,
  realisations,
  debugInfo,
  putCacheInfo,
  putNar,
  putPathInfo,
  putLog,
];
