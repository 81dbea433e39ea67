import { statfs } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import { listNotices } from "../db/notice-repository.ts";
import type { NarStore, WorkerLink } from "../ports.ts";

export interface ReadinessParts {
  readonly database: Pick<Database, "kysely">;
  readonly config: Pick<Config, "dataDir">;
  readonly nars: Pick<NarStore, "size">;
  readonly workers: Pick<WorkerLink, "live">;
  readonly stopping: AbortSignal;
  readonly clock: Clock;
}

export interface Ready {
  /** Why nobody should be sent here; empty when all works. */
  readonly reasons: readonly string[];
  /** What keeps the farm from building, though all is answered. */
  readonly warnings: readonly string[];
}

/** Anybody may ask, as often as they like: the answer is looked for once in so long. */
const KEPT_MS = 5000;
const WAIT_MS = 5000;
/** What comes in lies on this disk first. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;
/** A hash that no NAR has: the store is asked, and has nothing to say. */
const NO_HASH = "0".repeat(52);

/** Whether the coordinator can do what it is there for, and what is missing when it cannot. */
export class Readiness {
  readonly #parts: ReadinessParts;
  #last: { readonly at: number; readonly found: Promise<Ready> } | null = null;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** In bounded time. */
  async look(): Promise<Ready> {
    const { stopping, clock } = this.#parts;
    if (stopping.aborted) return { reasons: ["the coordinator is stopping"], warnings: [] };
    const now = clock.now();
    if (this.#last === null || now - this.#last.at >= KEPT_MS) {
      this.#last = { at: now, found: this.#find() };
    }
    return this.#last.found;
  }

  async #find(): Promise<Ready> {
    const { database, nars, workers } = this.#parts;
    const reasons = await Promise.all([
      this.#try("the database does not answer", () => listNotices(database.kysely, 1)),
      this.#try("the store of NARs does not answer", () => nars.size(NO_HASH)),
      this.#room(),
    ]);
    return {
      reasons: reasons.filter((reason) => reason !== null),
      warnings: workers.live().length === 0 ? ["no worker is connected"] : [],
    };
  }

  /** The reason when it fails or takes too long. */
  #try(reason: string, ask: () => Promise<unknown>): Promise<string | null> {
    return new Promise((resolve) => {
      const late = this.#parts.clock.after(WAIT_MS, () => resolve(reason));
      ask()
        .then(() => resolve(null))
        .catch(() => resolve(reason))
        .finally(() => late[Symbol.dispose]());
    });
  }

  async #room(): Promise<string | null> {
    const { bavail, bsize } = await statfs(this.#parts.config.dataDir);
    const bytes = bavail * bsize;
    if (bytes >= LEAST_FREE_BYTES) return null;
    return `the disk of the data directory is full: ${Math.floor(bytes / 1024 ** 2)} MiB are free`;
  }
}
