import type { Clock } from "../clock.ts";
import { deleteAuditEventsBefore } from "../db/audit-repository.ts";
import type { Database } from "../db/client.ts";
import {
  deleteTasksBefore,
  findUnfinishedTasks,
  finishTask,
  insertTask,
  findLastTask,
  setProgress,
  startTask,
  type MaintenanceTask,
  type TaskRequest,
} from "../db/maintenance-repository.ts";
import { ConflictError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { noProgress, type Progress } from "./progress.ts";

const MINUTE_MS = 60 * 1000;
const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** So often is looked whether somebody has asked for something: a command line writes it into the database. */
const LOOK_MS = 1000;
const TELL_MS = 1000;
const TASKS_KEPT_MS = 90 * DAY_MS;
const AUDIT_KEPT_MS = 730 * DAY_MS;
/** With every look, once a minute. */
const AUDIT_EVENTS_AT_ONCE = 1000;

/** Does a task; rejects when the signal is aborted, and does it from the beginning when it is called again. */
export type TaskWork = (
  task: MaintenanceTask,
  run: { progress: Progress; signal: AbortSignal },
) => Promise<void>;

export interface MaintenanceOptions {
  readonly database: Pick<Database, "kysely" | "relaxedTransaction">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly work: Readonly<Record<MaintenanceTask["kind"], TaskWork>>;
  /** Caches that have too little room; null for all of them. */
  readonly findFull: () => readonly (string | null)[];
  /** A file of so many bytes did not fit into a cache. */
  readonly onWanted: (cacheId: string, fileBytes: number) => void;
  /** A task is over: there may be room now for what had none. */
  readonly onFinished: () => Promise<void>;
}

/**
 * Goes over everything that is stored, one task after the other: a garbage collection once a day, one of each cache that becomes full, and what is asked for. Tasks are rows:
 * one that was running when the process ended is begun again by the next.
 */
export class Maintenance implements AsyncDisposable {
  readonly #options: MaintenanceOptions;
  readonly #stop = new AbortController();
  readonly #openedAt: number;
  #timer: Disposable | null = null;
  #running: Promise<void> | null = null;
  #lookedAt = 0;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#openedAt = options.clock.now();
  }

  /** Begins to look for what is due. */
  start(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#options.clock.after(LOOK_MS, () => {
      this.start();
      this.wake();
    });
  }

  /** Queues a task and resolves to its id. Throws ConflictError while one of its kind is not finished. */
  async request(request: TaskRequest): Promise<string> {
    const {
      database: { kysely },
      clock,
    } = this.#options;
    const id = await insertTask(kysely, request, clock.now());
    if (id === null) {
      throw new ConflictError(
        `a ${request.kind} is not finished yet: wait for it, GET /admin/tasks shows how far it is`,
      );
    }
    this.wake();
    return id;
  }

  /** A file of so many bytes did not fit into a cache: room is made, unless that was tried in vain within the hour. Never rejects. */
  async makeRoom(cacheId: string, fileBytes: number): Promise<void> {
    try {
      this.#options.onWanted(cacheId, fileBytes);
      await this.#queueRoom(cacheId);
      this.wake();
    } catch (error) {
      this.#options.logger.error({ err: error }, "no room could be made in a cache");
    }
  }

  async #queueRoom(cacheId: string | null): Promise<void> {
    const {
      database: { kysely },
      clock,
    } = this.#options;
    const last = await findLastTask(kysely, "collection", cacheId);
    // What brought room may bring more; what brought none does not so soon. Documents beside paths take room, too.
    const hasBrought = last !== null && last.progress.paths + last.progress.files > 0;
    const pauseMs = hasBrought ? MINUTE_MS : HOUR_MS;
    if (last !== null && clock.now() - last.createdAt < pauseMs) return;
    await insertTask(kysely, { kind: "collection", cacheId }, clock.now());
  }

  /** Does what is due, if it is not being done already. */
  wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when nothing is due any more. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    const {
      database: { kysely },
      logger,
    } = this.#options;
    try {
      await this.#queueDue();
      const tasks = await findUnfinishedTasks(kysely);
      for (const task of tasks) {
        if (this.#stop.signal.aborted) return;
        await this.#do(task);
      }
    } catch (error) {
      logger.error({ err: error }, "maintenance failed; it is tried again");
    }
  }

  async #queueDue(): Promise<void> {
    const {
      database: { kysely },
      clock,
      findFull,
    } = this.#options;
    const now = clock.now();
    if (now - this.#lookedAt < MINUTE_MS) return;
    this.#lookedAt = now;
    await deleteTasksBefore(kysely, now - TASKS_KEPT_MS);
    await deleteAuditEventsBefore(kysely, now - AUDIT_KEPT_MS, AUDIT_EVENTS_AT_ONCE);
    const last = (await findLastTask(kysely, "collection", null))?.createdAt ?? this.#openedAt;
    if (now - last >= DAY_MS) await insertTask(kysely, { kind: "collection" }, now);
    for (const cacheId of findFull()) await this.#queueRoom(cacheId);
  }

  async #do(task: MaintenanceTask): Promise<void> {
    const {
      database: { kysely },
      clock,
      logger,
      work,
      onFinished,
    } = this.#options;
    const { signal } = this.#stop;
    const progress = noProgress();
    await startTask(kysely, task.id, clock.now());
    await using telling = this.#tell(task.id, progress);
    let error: string | null = null;
    try {
      await work[task.kind](task, { progress, signal });
    } catch (failure) {
      // The next process begins it again.
      if (signal.aborted) return;
      logger.error({ err: failure, task: task.id, kind: task.kind }, "a maintenance task failed");
      error = failure instanceof Error ? failure.message : String(failure);
    } finally {
      await telling[Symbol.asyncDispose]();
    }
    progress.phase = "done";
    await finishTask(kysely, task.id, { progress, error }, clock.now());
    const { named: _, ...figures } = progress;
    logger.info({ task: task.id, kind: task.kind, ...figures }, "a maintenance task ended");
    await onFinished();
  }

  /** Writes the progress from time to time, until it is disposed. */
  #tell(id: string, progress: Progress): AsyncDisposable {
    const { database, clock, logger } = this.#options;
    let timer: Disposable | null = null;
    let writing: Promise<void> = Promise.resolve();
    const arm = (): void => {
      timer = clock.after(TELL_MS, () => {
        // Nobody is promised it, and the disk is busy.
        writing = database
          .relaxedTransaction(({ kysely }) => setProgress(kysely, id, progress))
          .catch((error: unknown) => {
            logger.warn({ err: error }, "the progress of a task could not be stored");
          });
        arm();
      });
    };
    arm();
    return {
      [Symbol.asyncDispose]: async () => {
        timer?.[Symbol.dispose]();
        timer = null;
        await writing;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the coordinator stops"));
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }
}
