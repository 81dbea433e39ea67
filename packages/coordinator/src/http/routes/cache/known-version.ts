import type { Clock } from "../../../clock.ts";
import type { CacheSurfaceView } from "../../../db/cache-surface-view.ts";
import { isRecent } from "./recency.ts";

/** After this time the database is asked again. */
const BELIEVED_FOR_MS = 50;

/**
 * The version of the database as it was within the last 50 ms, so that what was read before needs not be read again. Asking for it costs a lone client's request 40 µs of CPU time:
 * SQLite takes and releases a lock, and its code has left the core's cache since the last request.
 */
export class KnownVersion {
  readonly #surface: Pick<CacheSurfaceView, "version">;
  readonly #clock: Pick<Clock, "now">;
  #version = Number.NaN;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(surface: Pick<CacheSurfaceView, "version">, clock: Pick<Clock, "now">) {
    this.#surface = surface;
    this.#clock = clock;
  }

  /** What is read after this belongs to this version or a later one. */
  get(): number {
    const now = this.#clock.now();
    if (!isRecent(this.#readAt, now, BELIEVED_FOR_MS)) {
      this.#version = this.#surface.version();
      this.#readAt = now;
    }
    return this.#version;
  }
}
