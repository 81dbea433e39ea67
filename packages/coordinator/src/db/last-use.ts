import { sql } from "kysely";
import {
  addReaderTraffic,
  addTraffic,
  deleteReaderTraffic,
  type Reader,
  type Traffic,
} from "./cache-traffic-repository.ts";
import { batchesOf } from "./batches.ts";
import type { Database, Queries } from "./client.ts";
import { TrafficCounts } from "./traffic-counts.ts";

export interface LastUseOptions {
  database: Pick<Database, "relaxedTransaction">;
  now: () => number;
  /** Called when a batch could not be stored; the batch is dropped. */
  onError: (error: unknown) => void;
  flushEveryMs?: number;
}

/** Who read what is known for so long. */
const KEEP_READERS_MS = 90 * 24 * 3600 * 1000;

/** Fetches of so many paths are written at once: in between, others have their turn. */
const COUNTED_AT_ONCE = 100;

interface PathUse {
  cacheId: string;
  hashPart: string;
  count: number;
  at: number;
}

/**
 * When sessions, API keys and cached paths were last used, and what was asked of caches. Uses are counted in memory and written in one transaction every few seconds, so that
 * reading costs no write. A crash loses the last seconds, which nothing depends on.
 */
export class LastUse implements AsyncDisposable {
  readonly #options: LastUseOptions;
  readonly #timer: NodeJS.Timeout;
  #sessions = new Map<string, number>();
  #apiKeys = new Map<string, number>();
  #paths = new Map<string, PathUse>();
  readonly #traffic = new TrafficCounts();
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: LastUseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.flush(), options.flushEveryMs ?? 5000);
    this.#timer.unref();
  }

  session(id: string): void {
    this.#sessions.set(id, this.#options.now());
  }

  apiKey(id: string): void {
    this.#apiKeys.set(id, this.#options.now());
  }

  /** Somebody asked a cache for a narinfo, and got it or not. */
  narinfo(cacheId: string, isHit: boolean, reader: Reader | null): void {
    this.#traffic.narinfo(cacheId, isHit, reader);
  }

  /** What was asked of caches since the start, by their ids. */
  get traffic(): ReadonlyMap<string, Traffic> {
    return this.#traffic.totals;
  }

  /** One download of a path's NAR from a cache, or of a part of it. */
  path(
    { id: cacheId, reader }: { id: string; reader: Reader | null },
    hashPart: string,
    bytes: number,
  ): void {
    this.#traffic.nar(cacheId, bytes, reader);
    const key = `${cacheId}/${hashPart}`;
    const use = this.#paths.get(key);
    const at = this.#options.now();
    if (use === undefined) {
      this.#paths.set(key, { cacheId, hashPart, count: 1, at });
      return;
    }
    use.count += 1;
    use.at = at;
  }

  /** Writes what was counted so far. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    const [sessions, apiKeys, paths] = [this.#sessions, this.#apiKeys, this.#paths];
    if (sessions.size + apiKeys.size + paths.size === 0 && this.#traffic.isEmpty) return;
    const { caches, readers } = this.#traffic.take();
    this.#sessions = new Map();
    this.#apiKeys = new Map();
    this.#paths = new Map();
    const now = this.#options.now();
    try {
      const { database } = this.#options;
      for (const uses of batchesOf(paths.values(), COUNTED_AT_ONCE)) {
        await database.relaxedTransaction(({ kysely }) => countFetches(kysely, uses));
      }
      await database.relaxedTransaction(async ({ kysely: db }) => {
        for (const [id, at] of sessions) await touch(db, "sessions", id, at);
        for (const [id, at] of apiKeys) await touch(db, "api_keys", id, at);
        for (const [cache, figures] of caches) await addTraffic(db, cache, figures, now);
        for (const figures of readers) await addReaderTraffic(db, figures, now);
        if (readers.length > 0) await deleteReaderTraffic(db, now - KEEP_READERS_MS);
      });
    } catch (error) {
      this.#options.onError(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}

async function touch(
  db: Queries,
  table: "sessions" | "api_keys",
  id: string,
  at: number,
): Promise<void> {
  await db.updateTable(table).set({ last_used_at: at }).where("id", "=", id).execute();
}

async function countFetches(db: Queries, uses: readonly PathUse[]): Promise<void> {
  await sql`
    update cache_paths set fetch_count = fetch_count + (used.value ->> 'count'), last_fetched_at = used.value ->> 'at'
    from json_each(${JSON.stringify(uses)}) used
    where cache_paths.cache_id = used.value ->> 'cacheId' and cache_paths.hash_part = used.value ->> 'hashPart'
  `.execute(db);
}
