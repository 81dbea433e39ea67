import type { Fencing, WorkerId } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { Lease } from "../db/assignment-repository.ts";
import type { Database, Queries, Transaction } from "../db/client.ts";
import type { AttemptState } from "../scheduler/attempt-state.ts";
import type { ReadyBuild } from "../scheduler/ready-queue.ts";
import type { AheadOffer } from "./ahead-offers.ts";
import type { LocalOutputs } from "./local-inputs.ts";

/** What a transaction means for the queue in memory and for connected workers. Told after the commit. */
export interface News {
  /** Builds whose attempt became pending. */
  readonly ready: ReadyBuild[];
  /** Outputs that only their maker has so far, and that builds may use there. */
  readonly local: LocalOutputs[];
  /** Pending builds whose place in the order changed. */
  readonly reordered: ReadyBuild[];
  /** Attempts that are not pending any more without having been given out. */
  readonly withdrawn: number[];
  /** Attempts that ended: nothing is added to their logs any more. */
  readonly ended: number[];
  /** What they ended as. */
  readonly outcomes: AttemptState[];
  readonly offered: Lease[];
  /** Those of them whose build lacks an input. */
  readonly ahead: AheadOffer[];
  readonly accepted: Lease[];
  /** Leases that are gone. */
  readonly released: Fencing[];
  /** Leases whose worker is to stop. */
  readonly cancelled: { readonly lease: Lease; readonly reason: string }[];
  /** Evaluations whose fetch or evaluation may now be given out. */
  readonly tasks: Set<string>;
  /** Workers that have published something without their signature. */
  readonly signing: Set<WorkerId>;
  /** Evaluations that have nothing left to give out. */
  readonly closed: Set<string>;
  /** Evaluations none of whose builds is unfinished any more. Handled before the commit. */
  readonly settled: Set<string>;
}

/** An open transaction over the farm's facts. */
export interface Change {
  readonly kysely: Queries;
  /** One moment for everything in the transaction, milliseconds since the epoch. */
  readonly now: number;
  readonly news: News;
}

/** Runs `run` in a transaction and tells the news when it is committed. */
export type ChangeFacts = <T>(run: (change: Change) => Promise<T>) => Promise<T>;

/** The two ways to change facts. */
export interface Changes {
  /** Durable when it resolves. */
  readonly durable: ChangeFacts;
  /**
   * Does not wait for the disk. For what a worker knows as well, and says again when it comes back after the coordinator's power was cut:
   * that it took an offer, how far it is, what it uploaded and has not used yet.
   */
  readonly relaxed: ChangeFacts;
}

/** A transaction in which `run` or `settle` throws is rolled back, and its news are told to nobody. */
export function changesOf(options: {
  database: Database;
  clock: Clock;
  /** Last step of every transaction: ends evaluations whose last build ended. */
  settle: (change: Change) => Promise<void>;
  tell: (news: News) => void;
}): Changes {
  const { database, clock, settle, tell } = options;
  const inTransaction = <T>(tx: Transaction, run: (change: Change) => Promise<T>): Promise<T> => {
    const news = noNews();
    const change = { kysely: tx.kysely, now: clock.now(), news };
    tx.onCommit(() => tell(news));
    return run(change).then(async (result) => {
      await settle(change);
      return result;
    });
  };
  return {
    durable: (run) => database.transaction((tx) => inTransaction(tx, run)),
    relaxed: (run) => database.relaxedTransaction((tx) => inTransaction(tx, run)),
  };
}

function noNews(): News {
  return {
    ready: [],
    local: [],
    reordered: [],
    withdrawn: [],
    ended: [],
    outcomes: [],
    offered: [],
    ahead: [],
    accepted: [],
    released: [],
    cancelled: [],
    tasks: new Set(),
    signing: new Set(),
    closed: new Set(),
    settled: new Set(),
  };
}
