import type { NarInfo } from "@gradient/protocol";
import { narInfoOf } from "../caches/narinfo-of.ts";
import type { RealisationKey } from "../caches/realisation.ts";
import type { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { AskedUpstream, FindAskedUpstreams } from "../db/upstream-repository.ts";
import type { HttpUpstream, HttpUpstreams } from "./http-upstream.ts";

/** A path that an upstream of a cache has; `url` of the narinfo is the upstream's own. */
export interface UpstreamPath {
  readonly upstreamId: string;
  readonly info: NarInfo;
}

/** Whoever asks for a narinfo waits no longer than this, however many upstreams do not answer. */
const MAX_WAIT_MS = 4000;
/** References that are asked for at the same time. */
const MAX_QUESTIONS = 8;

/** What caches have by their upstreams, which are asked in order: the first that has a path gives it. */
export class Upstreams {
  readonly #http: HttpUpstreams;
  readonly #surface: Pick<CacheSurfaceView, "findPath">;
  readonly #findUpstreams: FindAskedUpstreams;

  constructor(options: {
    http: HttpUpstreams;
    surface: Pick<CacheSurfaceView, "findPath">;
    findUpstreams: FindAskedUpstreams;
  }) {
    this.#http = options.http;
    this.#surface = options.surface;
    this.#findUpstreams = options.findUpstreams;
  }

  /** Whether asking could bring anything. False also while no upstream that may have it answers. */
  isWorthAsking(cacheId: string, hashPart: string): boolean {
    return this.#findUpstreams(cacheId).some((upstream) => {
      const http = toHttp(upstream);
      if (http === null) return this.#internal(upstream, hashPart) !== null;
      const known = this.#http.known(http, hashPart);
      return known === null || typeof known !== "string";
    });
  }

  /** The path from the first upstream that has it; `unknown` when none has it and one did not answer in time. */
  find(cacheId: string, hashPart: string): Promise<UpstreamPath | "absent" | "unknown"> {
    return inTime(this.#findInOrder(cacheId, hashPart), "unknown");
  }

  async #findInOrder(
    cacheId: string,
    hashPart: string,
  ): Promise<UpstreamPath | "absent" | "unknown"> {
    let rest: "absent" | "unknown" = "absent";
    for (const upstream of this.#findUpstreams(cacheId)) {
      const http = toHttp(upstream);
      const answer =
        http === null
          ? (this.#internal(upstream, hashPart) ?? "absent")
          : await this.#http.find(http, hashPart);
      if (typeof answer !== "string") return { upstreamId: upstream.id, info: answer };
      if (answer === "unknown") rest = "unknown";
    }
    return rest;
  }

  /** The log of a derivation from the first upstream that has one. */
  async findLog(cacheId: string, drv: string): Promise<AsyncIterable<Uint8Array> | null> {
    for (const upstream of this.#findUpstreams(cacheId)) {
      const http = toHttp(upstream);
      const log = http === null ? null : await this.#http.findLog(http, drv);
      if (log !== null) return log;
    }
    return null;
  }

  /**
   * A realisation from the first upstream that has one which its key has signed. `findOwn`: that of a cache of this server, which needs no signature. Null when none has it, or one
   * did not answer in time.
   */
  findRealisation(
    cacheId: string,
    key: RealisationKey,
    findOwn: (cacheId: string) => Promise<string | null>,
  ): Promise<string | null> {
    return inTime(this.#realisationInOrder(cacheId, key, findOwn), null);
  }

  async #realisationInOrder(
    cacheId: string,
    key: RealisationKey,
    findOwn: (cacheId: string) => Promise<string | null>,
  ): Promise<string | null> {
    for (const upstream of this.#findUpstreams(cacheId)) {
      const http = toHttp(upstream);
      const { upstreamCacheId: internal } = upstream;
      const text =
        http !== null
          ? await this.#http.findRealisation(http, key)
          : internal === null
            ? null
            : await findOwn(internal);
      if (text !== null) return text;
    }
    return null;
  }

  /** Base names that no upstream of the cache has, and those of which it is not known. */
  async missing(
    cacheId: string,
    bases: readonly string[],
  ): Promise<{ absent: string[]; unknown: string[] }> {
    const absent: string[] = [];
    const unknown: string[] = [];
    for (let at = 0; at < bases.length; at += MAX_QUESTIONS) {
      const some = bases.slice(at, at + MAX_QUESTIONS);
      const answers = await Promise.all(some.map((base) => this.find(cacheId, base.slice(0, 32))));
      for (const [n, base] of some.entries()) {
        const answer = answers[n];
        if (answer === "unknown") unknown.push(base);
        else if (typeof answer === "string" || answer?.info.path !== `/nix/store/${base}`) {
          absent.push(base);
        }
      }
    }
    return { absent, unknown };
  }

  /** An upstream that is asked over the network; null when the cache has none of that id. */
  httpUpstream(cacheId: string, id: string): HttpUpstream | null {
    const upstream = this.#findUpstreams(cacheId).find((each) => each.id === id);
    return upstream === undefined ? null : toHttp(upstream);
  }

  /** The cache of this server that is an upstream; null when the cache has none of that id. */
  internalUpstream(cacheId: string, id: string): string | null {
    const upstream = this.#findUpstreams(cacheId).find((each) => each.id === id);
    return upstream?.upstreamCacheId ?? null;
  }

  #internal({ upstreamCacheId }: AskedUpstream, hashPart: string): NarInfo | null {
    const path =
      upstreamCacheId === null ? undefined : this.#surface.findPath(upstreamCacheId, hashPart);
    return path === undefined ? null : narInfoOf(path);
  }
}

/** What is asked, or `late` when it takes too long. */
async function inTime<T, L>(asked: Promise<T>, late: L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const lateness = new Promise<L>((resolve) => {
    timer = setTimeout(() => resolve(late), MAX_WAIT_MS);
  });
  try {
    return await Promise.race([asked, lateness]);
  } finally {
    clearTimeout(timer);
  }
}

function toHttp({ id, url, publicKey }: AskedUpstream): HttpUpstream | null {
  return url === null || publicKey === null ? null : { id, url, publicKey };
}
