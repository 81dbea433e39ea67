import type { WorkerId } from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import type { BuildReads } from "../db/build-reads.ts";
import type { Queries } from "../db/client.ts";
import type { Logger } from "../logger.ts";
import { chooseNext } from "../scheduler/choose-worker.ts";
import type { ReadyBuild, ReadyQueue } from "../scheduler/ready-queue.ts";
import type { ChangeFacts } from "./change.ts";
import type { EvaluationTask, EvaluationTasks } from "./evaluation-tasks.ts";
import { grantOf, type Amounts } from "../scheduler/demand.ts";
import type { Draining } from "./draining.ts";
import { INPUT_OVERRIDES, seatOf, sizeOf, type ConnectedWorker, type Fleet } from "./fleet.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { LocalInputs } from "./local-inputs.ts";
import type { SigningTasks } from "./signing-tasks.ts";
import { makeOffers, offerMessage, type FindCredentials, type Offer, type Pick } from "./offer.ts";

/** How many fetches and evaluations a worker holds at once. An evaluation uses several processes by itself. */
const TASKS_PER_WORKER = { fetch: 2, eval: 1 } as const;

/** So many offers become durable in one transaction. */
const OFFERS_PER_ROUND = 32;

/** After a failure of the database. */
const RETRY_MS = 1000;

export interface DispatcherOptions {
  readonly kysely: Queries;
  readonly changes: ChangeFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly queue: ReadyQueue;
  readonly tasks: EvaluationTasks;
  readonly signing: SigningTasks;
  readonly leases: LeaseBook;
  readonly local: LocalInputs;
  readonly fleet: Fleet;
  readonly draining: Readonly<Draining>;
  readonly builds: BuildReads;
  readonly findCredentials: FindCredentials;
  /** Ends an evaluation that cannot be given out to anybody. */
  readonly refuseTask: (task: EvaluationTask, reason: string) => Promise<void>;
  readonly leaseMs: number;
  /** How long an offer waits for its acceptance. */
  readonly offerMs: number;
}

/**
 * Gives out what is ready to whoever is free. `wake` it whenever something became ready or somebody became free; rounds never overlap,
 * and a wake during a round makes another follow.
 */
export class Dispatcher implements AsyncDisposable {
  readonly #options: DispatcherOptions;
  #isWanted = false;
  #isClosed = false;
  #rounds: Promise<void> | null = null;
  #retry: Disposable | null = null;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  wake(): void {
    if (this.#isClosed) return;
    this.#isWanted = true;
    this.#rounds ??= this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#retry?.[Symbol.dispose]();
    await this.#rounds;
  }

  async #run(): Promise<void> {
    // What was said in the same turn of the event loop belongs into one round.
    await Promise.resolve();
    try {
      while (this.#isWanted && !this.#isClosed) {
        this.#isWanted = false;
        await this.#round();
      }
    } catch (error) {
      const { logger, clock } = this.#options;
      logger.error({ err: error }, "nothing could be given out; trying again");
      this.#retry = clock.after(RETRY_MS, () => this.wake());
    } finally {
      this.#rounds = null;
    }
  }

  async #round(): Promise<void> {
    const { kysely, changes, tasks, signing, offerMs } = this.#options;
    await tasks.refresh(kysely);
    await signing.refresh(kysely);
    const picks: Pick[] = [];
    let offers: Offer[];
    try {
      await this.#pickTasks(picks);
      picks.push(...this.#pickBuilds());
      picks.push(...this.#pickSignings(picks));
      if (picks.length === 0) return;
      if (picks.length >= OFFERS_PER_ROUND) this.#isWanted = true;
      offers = await changes((change) => makeOffers(change, picks, offerMs));
    } catch (error) {
      this.#putBack(picks);
      throw error;
    }
    for (const offer of offers) this.#send(offer);
  }

  /** Nobody got them: they are picked again in a later round. */
  #putBack(picks: readonly Pick[]): void {
    const { queue, tasks, signing } = this.#options;
    for (const pick of picks) {
      if (pick.kind === "build") queue.add(pick.build);
      else if (pick.kind === "task") tasks.note(pick.task.evaluation);
      else signing.note(pick.worker.id);
    }
  }

  #send(offer: Offer): void {
    const { fleet, leaseMs } = this.#options;
    // A newer session of the same worker may have taken over meanwhile.
    fleet.find(offer.worker.id)?.send(offerMessage(offer, leaseMs));
  }

  #pickBuilds(): Pick[] {
    const { queue, leases, local, builds } = this.#options;
    const now = this.#options.clock.now();
    if (queue.size === 0) return [];
    const workers = new Map(this.#available(now).map((worker) => [worker.id, worker]));
    const picked = new Map<WorkerId, Amounts[]>();
    const seats = new Map(
      [...workers.values()].map((worker) => [worker.id, seatOf(worker, leases, [])]),
    );
    const inputs = {
      isReachable: ({ build }: ReadyBuild, worker: WorkerId) => local.isReachable(build, worker),
      countByMaker: ({ build }: ReadyBuild) => builds.countInputsByWorker(build),
    };
    const picks: Pick[] = [];
    while (picks.length < OFFERS_PER_ROUND) {
      const choice = chooseNext(queue, [...seats.values()], now, inputs);
      const worker = choice === null ? undefined : workers.get(choice.worker);
      if (choice === null || worker === undefined) break;
      queue.take(choice.build.attempt);
      picks.push({ kind: "build", worker, build: choice.build });
      const { reserved } = grantOf(choice.build.demand, sizeOf(worker));
      const ofWorker = [...(picked.get(worker.id) ?? []), reserved];
      picked.set(worker.id, ofWorker);
      seats.set(worker.id, seatOf(worker, leases, ofWorker));
    }
    return picks;
  }

  /** Adds to `picks` as it goes: what was picked before a failure is put back with the rest. */
  async #pickTasks(picks: Pick[]): Promise<void> {
    const { tasks, leases } = this.#options;
    const now = this.#options.clock.now();
    const due = tasks.due(now);
    if (due.length === 0) return;
    const workers = this.#available(now);
    const held = new Map<string, number>();
    for (const worker of workers) {
      for (const { lease } of leases.ofWorker(worker.id)) count(held, `${worker.id} ${lease.kind}`);
    }
    for (const task of due) {
      const worker = chooseForTask(task, workers, held, tasks.fetcherOf(task.evaluation));
      if (worker === null) continue;
      count(held, `${worker.id} ${task.kind}`);
      tasks.remove(task.evaluation);
      const pick = await this.#prepare(task, worker);
      if (pick !== null) picks.push(pick);
    }
  }

  /** For workers that get nothing else in this round. */
  #pickSignings(urgent: readonly Pick[]): Pick[] {
    const { signing, leases, clock } = this.#options;
    const now = clock.now();
    const busy = new Set(urgent.map(({ worker }) => worker.id));
    const picks: Pick[] = [];
    for (const worker of this.#available(now)) {
      const group = busy.has(worker.id) ? null : signing.dueFor(worker, leases, now);
      if (group === null) continue;
      signing.remove(group);
      picks.push({ kind: "sign", worker, organization: group.organization });
    }
    return picks;
  }

  async #prepare(task: EvaluationTask, worker: ConnectedWorker): Promise<Pick | null> {
    const { findCredentials, refuseTask, logger } = this.#options;
    if (!task.needsCredentials) return { kind: "task", worker, task, credentials: null };
    try {
      return { kind: "task", worker, task, credentials: await findCredentials(task.organization) };
    } catch (error) {
      logger.error({ err: error, organization: task.organization }, "credentials cannot be read");
      try {
        await refuseTask(
          task,
          "the organization's credentials cannot be read; the coordinator's log has the cause",
        );
      } catch (failure) {
        this.#options.tasks.note(task.evaluation);
        throw failure;
      }
      return null;
    }
  }

  #available(now: number): ConnectedWorker[] {
    if (this.#options.draining.isOn) return [];
    return [...this.#options.fleet.connected()].filter(
      ({ isDraining, pausedUntil }) => !isDraining && pausedUntil <= now,
    );
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Whoever has fetched the source first, then who has least to do. */
function chooseForTask(
  task: EvaluationTask,
  workers: readonly ConnectedWorker[],
  held: ReadonlyMap<string, number>,
  fetcher: WorkerId | null,
): ConnectedWorker | null {
  const heldBy = (worker: ConnectedWorker) => held.get(`${worker.id} ${task.kind}`) ?? 0;
  const able = workers.filter(
    (worker) =>
      worker.organizationsFor(task.kind).has(task.organization) &&
      (!task.overridesInputs || worker.linkFeatures.has(INPUT_OVERRIDES)) &&
      heldBy(worker) < TASKS_PER_WORKER[task.kind],
  );
  const local = able.find(({ id }) => id === fetcher);
  return local ?? able.toSorted((a, b) => heldBy(a) - heldBy(b))[0] ?? null;
}
