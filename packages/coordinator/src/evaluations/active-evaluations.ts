import { approveEvaluation, findEvaluation } from "../db/evaluation-repository.ts";
import { findActiveOfProject } from "../db/project-evaluations.ts";
import { BadRequestError, NotFoundError } from "../errors.ts";
import type { Evaluations, ManualStart, TriggeredStart, TriggerOutcome } from "../ports.ts";
import type { Changes } from "../queue/change.ts";
import { cutEvaluation } from "./end-evaluation.ts";
import { restartFailed } from "./restart-failed.ts";
import { startEvaluation, startTriggered } from "./start-evaluation.ts";
import type { Attendance } from "./attendance.ts";
import type { WaitingReview } from "./waiting-review.ts";

/** What people do with evaluations. */
export class ActiveEvaluations implements Evaluations {
  readonly #changes: Changes;
  readonly #review: WaitingReview;
  readonly #fillCaches: () => void;
  readonly #attendance: Attendance;

  /** `fillCaches` begins to show in a cache what its organization had before. */
  constructor(options: {
    changes: Changes;
    review: WaitingReview;
    attendance: Attendance;
    fillCaches: () => void;
  }) {
    this.#attendance = options.attendance;
    this.#changes = options.changes;
    this.#review = options.review;
    this.#fillCaches = options.fillCaches;
  }

  async start(request: ManualStart): Promise<string> {
    const { id, organization } = await this.#changes.relaxed((change) =>
      startEvaluation(change, request),
    );
    // Whoever started it sees at once when nobody can go on with it. It is looked at before anything is given out, and makes the evaluation durable, too.
    await this.#review.now(organization);
    return id;
  }

  async queued(evaluationId: string): Promise<void> {
    const organization = await this.#changes.relaxed(async ({ kysely, news }) => {
      news.tasks.add(evaluationId);
      return (await findEvaluation(kysely, evaluationId))?.organization;
    });
    await this.#review.now(organization);
  }

  async startTriggered(request: TriggeredStart): Promise<TriggerOutcome> {
    const result = await this.#changes.durable((change) => startTriggered(change, request));
    if (result.outcome !== "created") return result;
    await this.#review.now(result.evaluation.organization);
    return { outcome: "created", evaluation: result.evaluation.id };
  }

  restartFailed(projectId: string): Promise<string> {
    return this.#changes.durable((change) => restartFailed(change, projectId));
  }

  async approve(evaluationId: string, approvedBy: string): Promise<void> {
    const organization = await this.#changes.durable(async ({ kysely }) => {
      if (!(await approveEvaluation(kysely, evaluationId, approvedBy))) {
        throw new BadRequestError(`evaluation ${evaluationId} does not wait for approval`);
      }
      return (await findEvaluation(kysely, evaluationId))?.organization;
    });
    await this.#review.now(organization);
  }

  attend(evaluationId: string): Disposable {
    return this.#attendance.attend(evaluationId);
  }

  async abortPullRequest(projectId: string, pullRequest: number): Promise<void> {
    await this.#changes.durable(async (change) => {
      for (const { id } of await findActiveOfProject(change.kysely, projectId, pullRequest)) {
        await cutEvaluation(change, id, "aborted", `pull request ${pullRequest} was closed`);
      }
    });
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
