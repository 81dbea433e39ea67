import { usesSsh, type EvaluationId, type OrganizationId, type WorkerId } from "@gradient/protocol";
import type { Queries } from "../db/client.ts";
import { findLeasesOfEvaluation } from "../db/assignment-repository.ts";
import {
  findActiveEvaluations,
  findEvaluation,
  type Evaluation,
} from "../db/evaluation-repository.ts";

/** A fetch or an evaluation that waits for a worker. */
export interface EvaluationTask {
  readonly evaluation: EvaluationId;
  readonly kind: "fetch" | "eval";
  readonly organization: OrganizationId;
  /** The fetch has to show the organization's key; a repository that is read without one never sees it. */
  readonly needsCredentials: boolean;
  /** Only a worker that knows how can replace inputs of a flake. */
  readonly overridesInputs: boolean;
  readonly priority: number;
  readonly createdAt: number;
  /** Not before this time. */
  readonly retryAt: number | null;
}

/** Fetches and evaluations that wait. Few, so that a list in order is good enough. */
export class EvaluationTasks {
  readonly #tasks = new Map<string, EvaluationTask>();
  /** Evaluations that have news and have not been read again yet. */
  readonly #unread = new Set<string>();
  /** Who has the source in its store. */
  readonly #fetchers = new Map<string, WorkerId>();

  /** How many there are, by kind. */
  countByKind(): Record<EvaluationTask["kind"], number> {
    const counts = { fetch: 0, eval: 0 };
    for (const { kind } of this.#tasks.values()) counts[kind] += 1;
    return counts;
  }

  /** It may have something to give out now: it is read before the next look. */
  note(evaluationId: string): void {
    this.#unread.add(evaluationId);
  }

  remove(evaluationId: string): void {
    this.#unread.delete(evaluationId);
    this.#tasks.delete(evaluationId);
  }

  /** The evaluation has ended. */
  forget(evaluationId: string): void {
    this.remove(evaluationId);
    this.#fetchers.delete(evaluationId);
  }

  /** Who fetched an evaluation has its source, and is asked first to evaluate it. */
  noteFetcher(evaluationId: string, worker: WorkerId): void {
    this.#fetchers.set(evaluationId, worker);
  }

  /** null when nobody has fetched it since this coordinator began. */
  fetcherOf(evaluationId: string): WorkerId | null {
    return this.#fetchers.get(evaluationId) ?? null;
  }

  /** Reads what there is to do of every evaluation that has news. What cannot be read is read the next time. */
  async refresh(db: Queries): Promise<void> {
    for (const id of this.#unread) {
      this.#unread.delete(id);
      this.#tasks.delete(id);
      try {
        const task = await findTask(db, id);
        if (task !== null) this.#tasks.set(id, task);
      } catch (error) {
        this.#unread.add(id);
        throw error;
      }
    }
  }

  /** Notes every active evaluation. */
  async noteAll(db: Queries): Promise<void> {
    for (const { id } of await findActiveEvaluations(db)) this.note(id);
  }

  /** What may be given out now, in order. */
  due(now: number): EvaluationTask[] {
    return [...this.#tasks.values()]
      .filter(({ retryAt }) => retryAt === null || retryAt <= now)
      .toSorted((a, b) => b.priority - a.priority || a.createdAt - b.createdAt);
  }
}

/** null for an evaluation that has nothing to give out. */
async function findTask(db: Queries, id: string): Promise<EvaluationTask | null> {
  const evaluation = await findEvaluation(db, id);
  const task = evaluation === null ? null : taskOf(evaluation);
  if (task === null || (await findLeasesOfEvaluation(db, id)).length > 0) return null;
  return task;
}

function taskOf(evaluation: Evaluation): EvaluationTask | null {
  const { state, isEvaluated } = evaluation;
  if (isEvaluated || !(state === "Queued" || state === "Fetching")) return null;
  return {
    evaluation: evaluation.id,
    kind: evaluation.source === null ? "fetch" : "eval",
    organization: evaluation.organization,
    needsCredentials: evaluation.source === null && usesSsh(evaluation.repository),
    overridesInputs: evaluation.source !== null && evaluation.inputOverrides.length > 0,
    priority: evaluation.priority,
    createdAt: evaluation.createdAt,
    retryAt: evaluation.retryAt,
  };
}
