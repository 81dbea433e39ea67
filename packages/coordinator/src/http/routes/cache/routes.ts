import type { CacheRoute } from "../../api.ts";
import { buildLog } from "./build-log.ts";
import { cacheInfo } from "./cache-info.ts";
import { gradientCacheInfo } from "./gradient-cache-info.ts";
import { nar } from "./nar.ts";
import { narinfo } from "./narinfo.ts";

/** The binary cache, under /cache. */
export const cacheRoutes: readonly CacheRoute[] = [
  cacheInfo,
  gradientCacheInfo,
  nar,
  buildLog,
  narinfo,
];
