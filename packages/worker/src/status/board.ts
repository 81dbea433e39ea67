import type { AssignmentId } from "@gradient/protocol";
import type { RunJob } from "../jobs/assignments.ts";
import type { Journal } from "../journal/journal.ts";
import type { WorkerFacts } from "../link.ts";
import type { Builder, Evaluator, LiveUsage, UsageMeters } from "../ports.ts";
import type { SessionHandler } from "../session/session.ts";
import { Activity } from "./activity.ts";
import { currentUsage } from "./current-usage.ts";
import { recentUsage } from "./recent-usage.ts";
import type { StatusSource } from "./server.ts";
import { SessionWatch } from "./session-watch.ts";
import type { JobStatus, WorkerStatus } from "./status.ts";
import { TransferMeter } from "./transfer-meter.ts";
import { WorkerMetrics } from "./worker-metrics.ts";

export interface StatusBoardOptions {
  readonly facts: WorkerFacts;
  readonly server: URL;
  readonly journal: Pick<Journal, "entries">;
  readonly isDraining: () => boolean;
  readonly now: () => number;
}

/** Watches the parts of the worker, and puts together what is known of it for whoever asks. */
export class StatusBoard implements StatusSource, Disposable {
  readonly #options: StatusBoardOptions;
  readonly #activity: Activity;
  readonly #session: SessionWatch;
  readonly #transfers = new TransferMeter();
  readonly #metrics = new WorkerMetrics(this.#transfers);
  readonly #startedAt: number;

  constructor(options: StatusBoardOptions) {
    this.#options = options;
    this.#activity = new Activity(options.now);
    this.#session = new SessionWatch(options.now);
    this.#startedAt = options.now();
  }

  watchRuns(run: RunJob): RunJob {
    return this.#metrics.watchRuns(this.#activity.watchRuns(run));
  }

  watchSession(handler: SessionHandler): SessionHandler {
    return this.#session.watch(handler);
  }

  watchBuilds(builder: Builder): Builder {
    return this.#activity.watchBuilds(builder);
  }

  watchMeters(meters: UsageMeters): UsageMeters {
    return this.#activity.watchMeters(meters);
  }

  watchEvaluations(evaluator: Evaluator): Evaluator {
    return this.#metrics.watchEvaluations(evaluator);
  }

  /** Builds that run and are measured. */
  measuredBuilds(): { assignment: AssignmentId; live: LiveUsage }[] {
    return this.#activity
      .jobs()
      .flatMap(({ assignment, kind, phase, live }) =>
        kind === "build" && phase === "building" && live !== null ? [{ assignment, live }] : [],
      );
  }

  async status(): Promise<WorkerStatus> {
    const jobs = this.#activity.jobs().map(async ({ live, ...job }): Promise<JobStatus> => ({
      ...job,
      usage: live === null ? null : await usageOf(live),
    }));
    return { ...this.#state(), jobs: await Promise.all(jobs) };
  }

  async metrics(): Promise<string> {
    return this.#metrics.text({ ...this.#state(), jobs: this.#activity.jobs() });
  }

  [Symbol.dispose](): void {
    this.#transfers[Symbol.dispose]();
  }

  #state(): Omit<WorkerStatus, "jobs"> {
    const { facts, server, journal, isDraining } = this.#options;
    const building = this.#activity
      .jobs()
      .filter(({ kind, phase }) => kind === "build" && phase === "building");
    return {
      worker: facts.worker,
      release: facts.release,
      nixVersion: facts.nixVersion,
      pid: process.pid,
      startedAt: this.#startedAt,
      isDraining: isDraining(),
      slots: { total: facts.maxConcurrentBuilds, busy: building.length },
      connection: { server: server.href, ...this.#session.state },
      resultsWaiting: journal.entries().filter(({ result }) => result !== null).length,
    };
  }
}

async function usageOf(live: LiveUsage): Promise<JobStatus["usage"]> {
  const usage = await currentUsage(live);
  return usage === null ? null : recentUsage(usage);
}
