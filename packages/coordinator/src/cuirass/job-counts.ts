import type { Clock } from "../clock.ts";
import type { CuirassEvaluation, CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";

/** Counts of so many evaluations are kept, for so long. */
const MAX_KEPT = 2000;
const KEPT_MS = 60_000;

interface Kept {
  readonly finishedAt: number;
  readonly countedAt: number;
  readonly counts: ReadonlyMap<number, number>;
}

/**
 * Jobs of evaluations by the status of their builds. Those of an evaluation that has ended are counted once in a minute, as pages show many large ones together; more
 * often is of no use, for only another evaluation can still build what failed in it: when it is restarted itself it has not ended.
 */
export class JobCounts {
  readonly #evaluations: Pick<CuirassEvaluationView, "countJobs">;
  readonly #clock: Clock;
  readonly #kept = new Map<number, Kept>();

  constructor(evaluations: Pick<CuirassEvaluationView, "countJobs">, clock: Clock) {
    this.#evaluations = evaluations;
    this.#clock = clock;
  }

  /** Number of jobs by Cuirass's number of their builds' status. The map is kept: it is not to be changed. */
  of(evaluation: Pick<CuirassEvaluation, "number" | "finishedAt">): ReadonlyMap<number, number> {
    const { number, finishedAt } = evaluation;
    if (finishedAt === null) return this.#evaluations.countJobs(number);
    const now = this.#clock.now();
    const kept = this.#kept.get(number);
    const isGood = kept?.finishedAt === finishedAt && now - kept.countedAt < KEPT_MS;
    if (isGood) return kept.counts;
    const counts = this.#evaluations.countJobs(number);
    this.#kept.delete(number);
    this.#kept.set(number, { finishedAt, countedAt: now, counts });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return counts;
  }
}
