import type { Queries } from "../db/client.ts";
import {
  deleteEvaluationPart,
  findSurplusEvaluations,
  nextProject,
} from "../db/old-evaluation-repository.ts";
import type { ChangeFacts } from "../queue/change.ts";

/** Removes the evaluations that projects do not keep: all but the newest, and never one that is active. */
export class OldEvaluations {
  readonly #kysely: Queries;
  readonly #changes: ChangeFacts;
  /** The last project that was looked at; null when all were. */
  #project: string | null = null;
  #surplus: string[] = [];

  constructor(options: { kysely: Queries; changes: ChangeFacts }) {
    this.#kysely = options.kysely;
    this.#changes = options.changes;
  }

  /** Begins with the first project again. */
  begin(): void {
    this.#project = "";
  }

  /** One bounded step. False when every project has been looked at. */
  async step(): Promise<boolean> {
    const evaluation = this.#surplus.at(-1);
    if (evaluation !== undefined) {
      const isLeft = await this.#changes(({ kysely }) => deleteEvaluationPart(kysely, evaluation));
      if (!isLeft) this.#surplus.pop();
      return true;
    }
    if (this.#project === null) return false;
    const project = await nextProject(this.#kysely, this.#project);
    this.#project = project?.id ?? null;
    if (project !== null) this.#surplus = await findSurplusEvaluations(this.#kysely, project);
    return true;
  }
}
