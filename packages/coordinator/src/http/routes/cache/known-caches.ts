import type { Clock } from "../../../clock.ts";
import type { CacheSurfaceView, SurfaceCache } from "../../../db/cache-surface-view.ts";
import { isRecent } from "./recency.ts";

/** After this time a cache is looked up again, so that changes by other processes are seen. */
const BELIEVED_FOR_MS = 2000;
/** More are not remembered: names that anybody asks for cannot fill the memory. */
const MAX_CACHES = 1000;

/** Public caches, as the database had them within the last two seconds. */
export class KnownCaches {
  readonly #surface: Pick<CacheSurfaceView, "findCache">;
  readonly #clock: Pick<Clock, "now">;
  readonly #caches = new Map<string, { cache: SurfaceCache; readAt: number }>();

  constructor(surface: Pick<CacheSurfaceView, "findCache">, clock: Pick<Clock, "now">) {
    this.#surface = surface;
    this.#clock = clock;
  }

  /** The cache when it is public and switched on, else null. */
  find(name: string): SurfaceCache | null {
    const now = this.#clock.now();
    const known = this.#caches.get(name);
    if (known !== undefined && isRecent(known.readAt, now, BELIEVED_FOR_MS)) return known.cache;
    this.#caches.delete(name);
    const cache = this.#surface.findCache(name);
    if (cache === undefined || cache.public === 0 || cache.active === 0) return null;
    if (this.#caches.size >= MAX_CACHES) this.#caches.clear();
    this.#caches.set(name, { cache, readAt: now });
    return cache;
  }

  /** To be told when a cache has changed. */
  forget(name: string): void {
    this.#caches.delete(name);
  }
}
