import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { deleteNotices, listNotices, type Notice } from "../db/notice-repository.ts";
import type { Logger } from "../logger.ts";
import type { CacheUpkeep, Evaluations, WorkerLink } from "../ports.ts";
import { Rounds } from "../rounds.ts";

const ROUND_MS = 1000;
const MAX_AT_ONCE = 100;

export interface NoticeRoundsOptions {
  readonly database: Database;
  readonly evaluations: Evaluations;
  readonly workers: WorkerLink;
  readonly upkeep: CacheUpkeep;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Learns from the database what command lines have changed in it. Being told twice does no harm. */
export class NoticeRounds implements AsyncDisposable {
  readonly #options: NoticeRoundsOptions;
  readonly #rounds: Rounds;

  constructor(options: NoticeRoundsOptions) {
    this.#options = options;
    const { clock, logger } = options;
    const run = () => this.#round();
    this.#rounds = new Rounds({ name: "notices", intervalMs: ROUND_MS, clock, logger, run });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]();
  }

  async #round(): Promise<void> {
    const { kysely } = this.#options.database;
    const notices = await listNotices(kysely, MAX_AT_ONCE);
    const last = notices.at(-1);
    if (last === undefined) return;
    for (const notice of notices) await this.#tell(notice);
    await deleteNotices(kysely, last.id);
  }

  #tell({ kind, subject }: Notice): Promise<void> {
    const { evaluations, workers, upkeep } = this.#options;
    switch (kind) {
      case "worker":
        return workers.registrationsChanged(subject);
      case "worker_key":
        return workers.keyChanged(subject);
      case "caches_of":
        return evaluations.cachesChanged(subject);
      case "cache_keys":
        upkeep.keysChanged();
        return Promise.resolve();
      case "evaluation":
        return evaluations.queued(subject);
    }
  }
}
