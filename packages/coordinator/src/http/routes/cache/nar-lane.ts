import type { IncomingHttpHeaders } from "node:http";
import type { Config } from "../../../config/settings.ts";
import type { CacheSurfaceView, SurfaceNar } from "../../../db/cache-surface-view.ts";
import type { LastUse } from "../../../db/last-use.ts";
import type { NarStore } from "../../../ports.ts";
import { headOf, type Lane, type LaneAnswer, type LaneRequest } from "../../lane.ts";
import type { RateLimits } from "../../rate-limits/rate-limits.ts";
import { Recent } from "../../recent.ts";
import type { KnownCaches } from "./known-caches.ts";
import type { KnownVersion } from "./known-version.ts";
import { keepingHeaders, narHeaders } from "./nar-headers.ts";

const ROUTE = "/cache/:cache/nar/:file";
/** Names of stored files; uploaders' own names for them are the route's business. */
const URL =
  /^\/cache\/(?<cache>[a-z0-9-]{1,64})\/nar\/(?<fileHash>[0-9a-df-np-sv-z]{52})\.nar\.zst$/;

const CONDITIONS = ["range", "if-range", "if-none-match"] as const;

/** So many bytes of NARs are remembered at least while they are used, and twice as many at most. */
const REMEMBERED_BYTES = 8 * 1024 * 1024;
/** What else there is of an entry. */
const ENTRY_BYTES = 1024;

/** With its head, Node writes so much text from its stack, in one piece; bytes behind a head cost it several times as much, for which a client that asks for one NAR after the other waits. */
const TEXT_BYTES = 15 * 1024;

interface Entry {
  cacheName: string;
  cacheId: string;
  nar: SurfaceNar;
  body: string | Buffer;
  head: string;
  /** The version of the database that shows it. */
  version: number;
}

/**
 * Small NARs of public caches, before the router: a client that substitutes a closure asks for thousands of them, one after the other, and waits for each. Those that were asked for
 * lately come from memory, as long as nothing was written since; else the database is asked whether the cache still shows the NAR. Everything else goes the long way, through
 * nar.ts, which answers the same.
 */
export class NarLane implements Lane {
  readonly #caches: Pick<KnownCaches, "find">;
  readonly #surface: Pick<CacheSurfaceView, "findNar">;
  readonly #version: Pick<KnownVersion, "get">;
  readonly #nars: Pick<NarStore, "readNow">;
  readonly #lastUse: Pick<LastUse, "path">;
  readonly #rateLimits: RateLimits;
  readonly #isOn: boolean;
  readonly #entries = new Recent<Entry>(REMEMBERED_BYTES, ({ body }) => body.length + ENTRY_BYTES);

  constructor(options: {
    caches: Pick<KnownCaches, "find">;
    surface: Pick<CacheSurfaceView, "findNar">;
    version: Pick<KnownVersion, "get">;
    nars: Pick<NarStore, "readNow">;
    lastUse: Pick<LastUse, "path">;
    rateLimits: RateLimits;
    config: Pick<Config, "accelRedirect">;
  }) {
    this.#caches = options.caches;
    this.#surface = options.surface;
    this.#version = options.version;
    this.#nars = options.nars;
    this.#lastUse = options.lastUse;
    this.#rateLimits = options.rateLimits;
    // Behind a proxy that sends the files it is the route that tells it which.
    this.#isOn = options.config.accelRedirect === null;
  }

  answer(request: LaneRequest): LaneAnswer | null {
    if (!this.#isOn || request.method !== "GET" || isConditional(request.headers)) return null;
    const found = this.#find(request.url ?? "");
    if (found === null) return null;
    // The route refuses those who have to wait.
    if (this.#rateLimits.take("cache", request) > 0) return null;
    const { cacheId, nar, body } = found;
    return {
      route: ROUTE,
      status: 200,
      head: found.head,
      body,
      after: () => this.#lastUse.path({ id: cacheId, reader: null }, nar.hash_part, body.length),
    };
  }

  #find(url: string): Entry | null {
    try {
      const known = this.#entries.get(url);
      if (known !== undefined && this.#isShown(known)) return known;
      this.#entries.delete(url);
      return this.#look(url);
    } catch {
      // The long way meets the same failure, and knows how to answer and log it.
      return null;
    }
  }

  #isShown(entry: Entry): boolean {
    const { cacheName, cacheId, nar } = entry;
    if (this.#caches.find(cacheName)?.id !== cacheId) return false;
    const version = this.#version.get();
    if (entry.version === version) return true;
    const found = this.#surface.findNar(cacheId, nar.file_hash);
    if (found?.nar_hash !== nar.nar_hash) return false;
    entry.nar = found;
    entry.version = version;
    return true;
  }

  #look(url: string): Entry | null {
    const { cache: name, fileHash } = URL.exec(url)?.groups ?? {};
    const cache = name === undefined ? null : this.#caches.find(name);
    if (cache === null || fileHash === undefined) return null;
    const version = this.#version.get();
    const nar = this.#surface.findNar(cache.id, fileHash);
    const bytes = nar === undefined ? null : this.#nars.readNow(nar.nar_hash, nar.file_size);
    if (nar === undefined || bytes === null) return null;
    const entry = {
      cacheName: cache.name,
      cacheId: cache.id,
      nar,
      body: bytes.length <= TEXT_BYTES ? bytes.toString("latin1") : bytes,
      head: headOf({
        ...keepingHeaders(cache, `"${nar.file_hash}"`),
        ...narHeaders({ start: 0, end: bytes.length }),
      }),
      version,
    };
    this.#entries.set(url, entry);
    return entry;
  }
}

function isConditional(headers: IncomingHttpHeaders): boolean {
  return CONDITIONS.some((name) => headers[name] !== undefined);
}
