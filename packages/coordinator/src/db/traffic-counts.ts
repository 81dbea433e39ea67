import type { Reader, ReaderTraffic, Traffic } from "./cache-traffic-repository.ts";

/** What was counted since it was written last. */
export interface CountedTraffic {
  /** By cache id. */
  readonly caches: ReadonlyMap<string, Traffic>;
  readonly readers: readonly ReaderTraffic[];
}

/** Requests to caches, counted in memory: in all, and for each reader who is known. */
export class TrafficCounts {
  #caches = new Map<string, Traffic>();
  #readers = new Map<string, ReaderTraffic>();
  readonly #totals = new Map<string, Traffic>();

  /** By cache id, since the start. */
  get totals(): ReadonlyMap<string, Traffic> {
    return this.#totals;
  }

  get isEmpty(): boolean {
    return this.#caches.size === 0;
  }

  /** A question for one path, answered with it or with 404. */
  narinfo(cacheId: string, isHit: boolean, reader: Reader | null): void {
    for (const traffic of this.#concerned(cacheId, reader)) {
      if (isHit) traffic.hits += 1;
      else traffic.misses += 1;
    }
  }

  /** `bytes` that were sent, which may be a range of the file. */
  nar(cacheId: string, bytes: number, reader: Reader | null): void {
    for (const traffic of this.#concerned(cacheId, reader)) {
      traffic.narRequests += 1;
      traffic.narBytes += bytes;
    }
  }

  /** What was counted since the last time, which is not counted again. */
  take(): CountedTraffic {
    const taken = { caches: this.#caches, readers: [...this.#readers.values()] };
    this.#caches = new Map();
    this.#readers = new Map();
    return taken;
  }

  #concerned(cacheId: string, reader: Reader | null): Traffic[] {
    const both = [trafficIn(this.#caches, cacheId), trafficIn(this.#totals, cacheId)];
    return reader === null ? both : [...both, this.#ofReader(cacheId, reader)];
  }

  #ofReader(cacheId: string, reader: Reader): Traffic {
    const key = `${cacheId} ${reader.userId} ${reader.apiKeyId ?? ""}`;
    const known = this.#readers.get(key);
    if (known !== undefined) return known;
    const traffic = { cacheId, reader, ...nothing() };
    this.#readers.set(key, traffic);
    return traffic;
  }
}

function trafficIn(counts: Map<string, Traffic>, cacheId: string): Traffic {
  const known = counts.get(cacheId);
  if (known !== undefined) return known;
  const traffic = nothing();
  counts.set(cacheId, traffic);
  return traffic;
}

function nothing(): Traffic {
  return { hits: 0, misses: 0, narRequests: 0, narBytes: 0 };
}
