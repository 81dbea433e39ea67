import type { Clock } from "../../../clock.ts";
import type { CacheSurfaceView } from "../../../db/cache-surface-view.ts";
import type { Upstreams } from "../../../upstreams/upstreams.ts";
import type { LastUse } from "../../../db/last-use.ts";
import { hasTag } from "./answers.ts";
import { RateLimitedError } from "../../../errors.ts";
import { errorBody } from "../../errors.ts";
import { AskedBefore } from "../../asked-before.ts";
import { headOf, type Lane, type LaneAnswer, type LaneRequest } from "../../lane.ts";
import type { RateLimits } from "../../rate-limits/rate-limits.ts";
import { Recent } from "../../recent.ts";
import type { KnownCaches } from "./known-caches.ts";
import type { KnownVersion } from "./known-version.ts";
import { NARINFO_HEADERS, narinfoTag, narinfoText, noSuchPath } from "./narinfo-text.ts";
import { isRecent } from "./recency.ts";

/** So many entries are remembered at least, and twice as many at most. An entry has about 1 KB. */
const REMEMBERED = 8192;
/** After this time an entry is looked up again if anything was written since, so that other processes and the workers' uploads are seen. */
const BELIEVED_FOR_MS = 2000;

/** So many references are looked up before they are asked for. */
const MAX_AHEAD = 8;

const HEAD = headOf(NARINFO_HEADERS);

const ROUTE = "/cache/:cache/:file";
const URL = /^\/cache\/(?<cache>[a-z0-9-]{1,64})\/(?<hash>[0-9a-df-np-sv-z]{32})\.narinfo$/;

interface Answer {
  cacheId: string;
  status: number;
  body: string;
  /** null when there is nothing to have already. */
  etag: string | null;
  head: string;
  /** Whether what it refers to was looked up, too. */
  isAheadKnown: boolean;
}

interface Entry {
  answer: Answer;
  /** The version of the database that shows it. */
  version: number;
  /** When the database had that version. */
  readAt: number;
}

/**
 * Rendered narinfo files, ready to be sent, by the URL that asks for them. It stands before the router: a substituting client asks for
 * thousands of narinfos, and for a public cache one look into a map answers. Remembered is what was asked for twice, and what a lone client will ask for next: what is asked for once would
 * only be carried along by collections of garbage, for which everybody waits. What a path or cache has become is seen
 * at the latest after two seconds. Absent paths are looked up each time: they may come any moment, and those that an upstream may have are asked for on the long way. Private caches and everything odd go the long way, through narinfo.ts.
 */
export class NarinfoLane implements Lane {
  readonly #caches: KnownCaches;
  readonly #surface: Pick<CacheSurfaceView, "findPath">;
  readonly #version: Pick<KnownVersion, "get">;
  readonly #clock: Pick<Clock, "now">;
  readonly #lastUse: Pick<LastUse, "narinfo">;
  readonly #rateLimits: RateLimits;
  readonly #upstreams: Pick<Upstreams, "isWorthAsking">;
  #askedInTurn = 0;
  readonly #entries = new Recent<Entry>(REMEMBERED);
  readonly #asked = new AskedBefore();

  constructor(options: {
    caches: KnownCaches;
    surface: Pick<CacheSurfaceView, "findPath">;
    version: Pick<KnownVersion, "get">;
    clock: Pick<Clock, "now">;
    lastUse: Pick<LastUse, "narinfo">;
    rateLimits: RateLimits;
    upstreams: Pick<Upstreams, "isWorthAsking">;
  }) {
    this.#caches = options.caches;
    this.#surface = options.surface;
    this.#version = options.version;
    this.#clock = options.clock;
    this.#lastUse = options.lastUse;
    this.#upstreams = options.upstreams;
    this.#rateLimits = options.rateLimits;
  }

  answer(request: LaneRequest): LaneAnswer | null {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const url = request.url ?? "";
    if (!url.endsWith(".narinfo")) return null;
    const found = this.#find(url);
    if (found === null) return null;
    const waitMs = this.#rateLimits.take("cache", request);
    const answer = waitMs === 0 ? found : refusal(found.cacheId, waitMs);
    const after = (): void => {
      if (waitMs === 0) this.#lastUse.narinfo(found.cacheId, found.status === 200, null);
      if (!answer.isAheadKnown) this.#lookAhead(url, answer);
    };
    const { etag, status, head, body } = answer;
    if (etag !== null && hasTag(request.headers["if-none-match"], etag)) {
      return { route: ROUTE, status: 304, head: headOf({ etag }), body: "", after };
    }
    return { route: ROUTE, status, head, body, after };
  }

  /** A client that walks along references waits for each answer: when it is alone, the next ones are looked up while it reads this one. */
  #lookAhead(url: string, answer: Answer): void {
    this.#askedInTurn += 1;
    if (this.#askedInTurn > 1) return;
    setImmediate(() => {
      const isAlone = this.#askedInTurn === 1;
      this.#askedInTurn = 0;
      if (!isAlone) return;
      answer.isAheadKnown = true;
      for (const next of referencesIn(answer.body, url)) this.#prepare(next);
    });
  }

  #find(url: string): Answer | null {
    try {
      return this.#known(url) ?? (this.#asked.note(url) ? this.#remember(url) : this.#look(url));
    } catch {
      // The long way meets the same failure, and knows how to answer and log it.
      return null;
    }
  }

  /** As if it was asked for already, so that it is remembered. */
  #prepare(url: string): void {
    this.#asked.note(url);
    this.#find(url);
  }

  #known(url: string): Answer | null {
    const known = this.#entries.get(url);
    if (known === undefined) return null;
    const now = this.#clock.now();
    if (isRecent(known.readAt, now, BELIEVED_FOR_MS)) return known.answer;
    if (known.version === this.#version.get()) {
      known.readAt = now;
      return known.answer;
    }
    this.#entries.delete(url);
    return null;
  }

  #remember(url: string): Answer | null {
    const version = this.#version.get();
    const answer = this.#look(url);
    if (answer?.status === 200) {
      this.#entries.set(url, { answer, readAt: this.#clock.now(), version });
    }
    return answer;
  }

  /** Reads what the URL asks for; null for anything but a narinfo of a public cache. */
  #look(url: string): Answer | null {
    const { cache: name = "", hash = "" } = URL.exec(url)?.groups ?? {};
    const cache = name === "" ? null : this.#caches.find(name);
    if (cache === null) return null;
    const path = this.#surface.findPath(cache.id, hash);
    if (path === undefined && this.#upstreams.isWorthAsking(cache.id, hash)) return null;
    if (path === undefined) {
      const body = errorBody({ code: "not_found", message: noSuchPath(name, hash) });
      return makeAnswer(cache.id, 404, JSON.stringify(body), {
        "content-type": "application/json; charset=utf-8",
      });
    }
    const body = narinfoText(path);
    const etag = narinfoTag(body);
    const head = `${HEAD}etag: ${etag}\r\ncontent-length: ${body.length}\r\n`;
    return { cacheId: cache.id, status: 200, head, body, etag, isAheadKnown: false };
  }

  /** Drops a path that a cache does not show any more. */
  forgetPath(name: string, hashPart: string): void {
    this.#entries.delete(`/cache/${name}/${hashPart}.narinfo`);
  }

  /** Drops everything of a cache whose key, name, visibility or state changed. */
  forgetCache(name: string): void {
    this.#caches.forget(name);
    this.#entries.deleteAll((url) => url.startsWith(`/cache/${name}/`));
  }
}

/** URLs of the narinfos of what one refers to, itself left out. */
function referencesIn(body: string, url: string): string[] {
  const bases = /^References: (.*)$/m.exec(body)?.[1]?.split(" ") ?? [];
  const folder = url.slice(0, url.lastIndexOf("/") + 1);
  const urls = bases.slice(0, MAX_AHEAD).map((base) => `${folder}${base.slice(0, 32)}.narinfo`);
  return urls.filter((each) => each !== url);
}

function refusal(cacheId: string, waitMs: number): Answer {
  const error = new RateLimitedError(waitMs);
  return makeAnswer(cacheId, error.status, JSON.stringify(errorBody(error)), {
    "content-type": "application/json; charset=utf-8",
    "retry-after": String(error.retryAfterSeconds),
  });
}

function makeAnswer(
  cacheId: string,
  status: number,
  body: string,
  headers: Record<string, string>,
): Answer {
  const head = headOf({ ...headers, "content-length": body.length });
  return { cacheId, status, body, etag: null, head, isAheadKnown: true };
}
