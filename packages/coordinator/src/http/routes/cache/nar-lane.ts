import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../../../config/settings.ts";
import type { CacheSurfaceView, SurfaceCache, SurfaceNar } from "../../../db/cache-surface-view.ts";
import type { LastUse } from "../../../db/last-use.ts";
import type { NarStore } from "../../../ports.ts";
import type { RateLimits } from "../../rate-limits/rate-limits.ts";
import { REQUEST_ID_HEADER, type RequestIds } from "../../request-ids.ts";
import type { KnownCaches } from "./known-caches.ts";
import { keepingHeaders, narHeaders } from "./nar-headers.ts";

/** Names of stored files; uploaders' own names for them are the route's business. */
const URL =
  /^\/cache\/(?<cache>[a-z0-9-]{1,64})\/nar\/(?<fileHash>[0-9a-df-np-sv-z]{52})\.nar\.zst$/;

const CONDITIONS = ["range", "if-range", "if-none-match"] as const;

/**
 * Small NARs of public caches, before the router: a client that substitutes a closure asks for thousands of them, one after the other, and waits for each. Two reads of the
 * database, one of the file, one answer. Everything else goes the long way, through nar.ts, which answers the same.
 */
export class NarLane {
  readonly #caches: Pick<KnownCaches, "find">;
  readonly #surface: Pick<CacheSurfaceView, "findNar">;
  readonly #nars: Pick<NarStore, "readNow">;
  readonly #requestIds: RequestIds;
  readonly #lastUse: Pick<LastUse, "path">;
  readonly #rateLimits: RateLimits;
  readonly #isOn: boolean;

  constructor(options: {
    caches: Pick<KnownCaches, "find">;
    surface: Pick<CacheSurfaceView, "findNar">;
    nars: Pick<NarStore, "readNow">;
    requestIds: RequestIds;
    lastUse: Pick<LastUse, "path">;
    rateLimits: RateLimits;
    config: Pick<Config, "accelRedirect">;
  }) {
    this.#caches = options.caches;
    this.#surface = options.surface;
    this.#nars = options.nars;
    this.#requestIds = options.requestIds;
    this.#lastUse = options.lastUse;
    this.#rateLimits = options.rateLimits;
    // Behind a proxy that sends the files it is the route that tells it which.
    this.#isOn = options.config.accelRedirect === null;
  }

  /** Answers when it can; false leaves request and response untouched. Never throws. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (!this.#isOn || request.method !== "GET" || isConditional(request.headers)) return false;
    const found = this.#find(request.url ?? "");
    if (found === null) return false;
    // The route refuses those who have to wait.
    if (this.#rateLimits.take("cache", request) > 0) return false;
    const { cache, nar, bytes } = found;
    response.writeHead(200, {
      ...keepingHeaders(cache, `"${nar.file_hash}"`),
      ...narHeaders({ start: 0, end: bytes.length }),
      [REQUEST_ID_HEADER]: this.#requestIds.of(request),
    });
    response.end(bytes);
    this.#lastUse.path({ id: cache.id, reader: null }, nar.hash_part, bytes.length);
    return true;
  }

  #find(url: string): { cache: SurfaceCache; nar: SurfaceNar; bytes: Buffer } | null {
    const { cache: name, fileHash } = URL.exec(url)?.groups ?? {};
    if (name === undefined || fileHash === undefined) return null;
    try {
      const cache = this.#caches.find(name);
      if (cache === null) return null;
      const nar = this.#surface.findNar(cache.id, fileHash);
      const bytes = nar === undefined ? null : this.#nars.readNow(nar.nar_hash, nar.file_size);
      return nar === undefined || bytes === null ? null : { cache, nar, bytes };
    } catch {
      // The long way meets the same failure, and knows how to answer and log it.
      return null;
    }
  }
}

function isConditional(headers: IncomingHttpHeaders): boolean {
  return CONDITIONS.some((name) => headers[name] !== undefined);
}
