import type { Clock } from "../../../clock.ts";
import type { CacheSurfaceView } from "../../../db/cache-surface-view.ts";

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
  #believedUntil = Number.NEGATIVE_INFINITY;

  constructor(surface: Pick<CacheSurfaceView, "version">, clock: Pick<Clock, "now">) {
    this.#surface = surface;
    this.#clock = clock;
  }

  /** What is read after this belongs to this version or a later one. */
  get(): number {
    const now = this.#clock.now();
    if (now > this.#believedUntil) {
      this.#version = this.#surface.version();
      this.#believedUntil = now + BELIEVED_FOR_MS;
    }
    return this.#version;
  }
}
