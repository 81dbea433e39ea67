import { readFileSync, readdirSync } from "node:fs";
import type { AssignmentResult, BuildResult } from "@gradient/protocol";
import type { RunJob } from "../jobs/assignments.ts";
import type { Evaluator } from "../ports.ts";
import { Counter, Histogram, type Metric, counted, gauge, metricsText } from "./metrics.ts";
import type { WorkerStatus } from "./status.ts";
import type { TransferMeter } from "./transfer-meter.ts";

const WALL_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400];
const MEBIBYTE = 2 ** 20;
const MEMORY_BYTES = [1, 16, 64, 256, 1024, 4096, 16_384, 65_536].map((size) => size * MEBIBYTE);

/** What does not depend on a single job. */
type Facts = Omit<WorkerStatus, "jobs"> & { readonly jobs: readonly { readonly kind: string }[] };

/** Everything that Prometheus gets to know of this worker. No label has more than a handful of values. */
export class WorkerMetrics {
  readonly #jobs = new Counter("gradient_worker_jobs_total", "Jobs that ended, by outcome.", {
    hasLabels: true,
  });
  readonly #buildCpu = new Counter(
    "gradient_worker_build_cpu_seconds_total",
    "CPU time of builds, user and system.",
    { hasLabels: false },
  );
  readonly #buildWall = new Histogram(
    "gradient_worker_build_wall_seconds",
    "Wall time of builds.",
    WALL_SECONDS,
  );
  readonly #buildMemory = new Histogram(
    "gradient_worker_build_memory_peak_bytes",
    "Largest memory of builds, without page cache.",
    MEMORY_BYTES,
  );
  readonly #attributes = new Counter(
    "gradient_worker_evaluated_attributes_total",
    "Attributes that were evaluated, by outcome.",
    { hasLabels: true },
  );
  readonly #transfers: TransferMeter;

  constructor(transfers: TransferMeter) {
    this.#transfers = transfers;
  }

  /** The same, counted. */
  watchRuns(run: RunJob): RunJob {
    return async (spec, job) => {
      try {
        const result = await run(spec, job);
        // What was only offered ahead never began.
        if (job.ahead?.isBuilt !== false) this.#ended(result);
        return result;
      } catch (error) {
        this.#jobs.add(1, { kind: spec.kind, outcome: "failed" });
        throw error;
      }
    };
  }

  /** The same, counted. */
  watchEvaluations(evaluator: Evaluator): Evaluator {
    const attributes = this.#attributes;
    return {
      memoryLimitBytes: evaluator.memoryLimitBytes,
      prepare: () => evaluator.prepare(),
      async *evaluate(request) {
        for await (const event of evaluator.evaluate(request)) {
          if (event.type === "job") attributes.add(1, { outcome: event.job.outcome });
          yield event;
        }
      },
    };
  }

  /** In Prometheus's text format. */
  text(facts: Facts): string {
    return metricsText([
      ...stateMetrics(facts),
      this.#jobs,
      this.#buildCpu,
      this.#buildWall,
      this.#buildMemory,
      this.#attributes,
      counted(
        "gradient_worker_sent_bytes_total",
        "Bytes of uploads.",
        () => this.#transfers.sentBytes,
      ),
      counted(
        "gradient_worker_received_bytes_total",
        "Bytes of downloads.",
        () => this.#transfers.receivedBytes,
      ),
      ...processMetrics(),
    ]);
  }

  #ended(result: AssignmentResult): void {
    if (result.kind === "build") {
      this.#jobs.add(1, { kind: "build", outcome: result.outcome });
      this.#measured(result);
      return;
    }
    const outcome = result.failure === null ? "done" : "failed";
    this.#jobs.add(1, { kind: result.kind, outcome });
  }

  #measured({ usage }: BuildResult): void {
    if (usage === null) return;
    this.#buildWall.observe(usage.wallMs / 1000);
    this.#buildCpu.add(((usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0)) / 1000);
    if (usage.memoryPeakBytes !== null) this.#buildMemory.observe(usage.memoryPeakBytes);
  }
}

function stateMetrics(facts: Facts): Metric[] {
  const { slots, connection, release, nixVersion } = facts;
  const running = (kind: string): number => facts.jobs.filter((job) => job.kind === kind).length;
  return [
    gauge("gradient_worker_info", "Versions.", () => [
      { labels: { release, nix: nixVersion }, value: 1 },
    ]),
    gauge("gradient_worker_jobs_running", "Jobs that run.", () =>
      ["fetch", "eval", "build", "sign", "restore"].map((kind) => ({
        labels: { kind },
        value: running(kind),
      })),
    ),
    gauge("gradient_worker_build_slots", "Builds that can run at a time.", () => slots.total),
    gauge("gradient_worker_build_slots_busy", "Builds that run now.", () => slots.busy),
    gauge("gradient_worker_draining", "1 when no new work is taken.", () =>
      facts.isDraining ? 1 : 0,
    ),
    gauge("gradient_worker_connected", "1 with an accepted session.", () =>
      connection.isAccepted ? 1 : 0,
    ),
    counted(
      "gradient_worker_sessions_total",
      "Accepted sessions; all but the first are reconnects.",
      () => connection.sessions,
    ),
    gauge(
      "gradient_worker_results_waiting",
      "Results that the coordinator has not acknowledged.",
      () => facts.resultsWaiting,
    ),
    gauge("process_start_time_seconds", "Start of the process.", () => facts.startedAt / 1000),
  ];
}

/** The names that every exporter of process figures uses. */
function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    counted(
      "process_cpu_seconds_total",
      "CPU time of the worker itself.",
      () => (user + system) / 1e6,
    ),
    gauge("process_resident_memory_bytes", "Memory of the worker itself.", () =>
      process.memoryUsage.rss(),
    ),
    gauge("process_open_fds", "Open files of the worker itself.", openFiles),
    gauge("process_max_fds", "Most files that it may open.", maxFiles),
  ];
}

function openFiles(): number | null {
  return readOrNull(() => readdirSync("/proc/self/fd").length);
}

function maxFiles(): number | null {
  const limits = readOrNull(() => readFileSync("/proc/self/limits", "utf8"));
  const limit = /^Max open files\s+(\d+)/m.exec(limits ?? "")?.[1];
  return limit === undefined ? null : Number(limit);
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
