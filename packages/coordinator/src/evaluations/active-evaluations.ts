import { findEvaluation } from "../db/evaluation-repository.ts";
import { NotFoundError } from "../errors.ts";
import type { Evaluations } from "../ports.ts";
import type { Changes } from "../queue/change.ts";
import { cutEvaluation } from "./end-evaluation.ts";
import { startEvaluation } from "./start-evaluation.ts";
import type { WaitingReview } from "./waiting-review.ts";

/** What people do with evaluations. */
export class ActiveEvaluations implements Evaluations {
  readonly #changes: Changes;
  readonly #review: WaitingReview;
  readonly #fillCaches: () => void;

  /** `fillCaches` begins to show in a cache what its organization had before. */
  constructor(options: { changes: Changes; review: WaitingReview; fillCaches: () => void }) {
    this.#changes = options.changes;
    this.#review = options.review;
    this.#fillCaches = options.fillCaches;
  }

  async start(request: { projectId: string; triggeredBy: string | null }): Promise<string> {
    const { id, organization } = await this.#changes.relaxed((change) =>
      startEvaluation(change, request),
    );
    // Whoever started it sees at once when nobody can go on with it. It is looked at before anything is given out, and makes the evaluation durable, too.
    await this.#review.now(organization);
    return id;
  }

  async abort(evaluationId: string): Promise<void> {
    await this.#changes.durable(async (change) => {
      const evaluation = await findEvaluation(change.kysely, evaluationId);
      if (evaluation === null) throw new NotFoundError(`evaluation ${evaluationId} does not exist`);
      await cutEvaluation(change, evaluationId, "aborted", "the evaluation was aborted");
    });
  }

  async cachesChanged(organizationId: string): Promise<void> {
    this.#fillCaches();
    await this.#review.now(organizationId);
  }
}
