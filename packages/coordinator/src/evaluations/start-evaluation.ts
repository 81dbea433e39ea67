import { listInputOverrides } from "../db/flake-input-repository.ts";
import { insertEvaluation, type NewEvaluation } from "../db/new-evaluation-repository.ts";
import type { Evaluation } from "../db/evaluation-repository.ts";
import {
  clearForced,
  findActiveOfProject,
  findProjectToEvaluate,
  hasEvaluationOf,
  type ProjectToEvaluate,
} from "../db/project-evaluations.ts";
import { addEvaluationTags } from "../db/tag-repository.ts";
import { insertReport } from "../db/forge-report-repository.ts";
import { ConflictError, NotFoundError } from "../errors.ts";
import type { ManualStart, TriggeredStart } from "../ports.ts";
import type { Change } from "../queue/change.ts";
import type { Tags } from "../rules/tags.ts";
import { cutEvaluation } from "./end-evaluation.ts";
import { triggerTags } from "./trigger-tags.ts";

/** Higher goes first: what somebody asked for and waits for, what will be reviewed, then what started by itself. */
const CLASSES = { interactive: 40, pullRequest: 30, automatic: 20, timed: 10 } as const;

/** Of a project unless somebody says otherwise; from 0, which goes first, to 9. */
const DEFAULT_PROJECT_PRIORITY = 5;

/** Inside of a class the project's own priority decides. */
export function priorityIn(
  priorityClass: keyof typeof CLASSES,
  projectPriority: number = DEFAULT_PROJECT_PRIORITY,
): number {
  return CLASSES[priorityClass] + 9 - projectPriority;
}

/** What came of a trigger. `same_commit` and `concurrency` say why nothing was started. */
export type StartOutcome =
  | { readonly outcome: "created"; readonly evaluation: Evaluation }
  | { readonly outcome: "same_commit" | "concurrency" | "inactive" };

/** Queues an evaluation that a person asks for. Throws NotFoundError, and ConflictError when one is active already. */
export async function startEvaluation(change: Change, request: ManualStart): Promise<Evaluation> {
  const project = await findProject(change, request.projectId);
  if (project.repository === "") {
    throw new ConflictError(
      `project '${project.name}' has no repository: its sources are uploaded, each with its evaluation`,
    );
  }
  if ((await findActiveOfProject(change.kysely, request.projectId, null)).length > 0) {
    throw new ConflictError(
      `project '${project.name}' has an active evaluation already: wait for its end or abort it`,
    );
  }
  const { triggeredBy, revision = null, reference = null, tags = {}, settings } = request;
  const evaluation = await insert(change, project, request.projectId, {
    priority: priorityIn(triggeredBy === null ? "automatic" : "interactive", project.priority),
    triggeredBy,
    revision,
    reference,
    trigger: null,
    pullRequest: null,
    ...(settings === undefined ? {} : { settings }),
  });
  await addTags(change, project, evaluation.id, tags);
  return evaluation;
}

/**
 * Queues an evaluation for a trigger, by the project's rule for what is active already. Each pull request is its own: what it brings neither
 * ends nor waits for what a branch brings. Throws NotFoundError.
 */
export async function startTriggered(
  change: Change,
  request: TriggeredStart,
): Promise<StartOutcome> {
  const { projectId, revision, reference, trigger, triggeredBy = null } = request;
  const { pullRequest = null, repeats = "never" } = request;
  const project = await findProject(change, projectId);
  if (!project.isActive || project.repository === "") return { outcome: "inactive" };
  const number = pullRequest?.number ?? null;
  if (repeats === "never" && revision !== null && !(project.isForced && number === null)) {
    const of = { projectId, revision, pullRequest: number };
    if (await hasEvaluationOf(change.kysely, of)) return { outcome: "same_commit" };
  }
  if (!(await makeRoom(change, project, projectId, number))) return { outcome: "concurrency" };
  const evaluation = await insert(change, project, projectId, {
    priority: priorityIn(classOf(request), project.priority),
    triggeredBy,
    revision,
    reference,
    trigger,
    pullRequest,
  });
  const { repository } = project;
  const { id } = evaluation;
  const tags = triggerTags({ id, repository, reference, revision, pullRequest });
  await addTags(change, project, id, tags);
  return { outcome: "created", evaluation };
}

function addTags(
  { kysely }: Change,
  { organization }: ProjectToEvaluate,
  id: string,
  tags: Tags,
): Promise<void> {
  return addEvaluationTags(kysely, { id, organizationId: organization, tags });
}

function classOf({ triggeredBy, pullRequest, trigger }: TriggeredStart): keyof typeof CLASSES {
  if (typeof triggeredBy === "string") return "interactive";
  if (pullRequest) return "pullRequest";
  return trigger.type === "time" ? "timed" : "automatic";
}

/** Ends what has to give way. False when something is active that the new one has to give way to. */
async function makeRoom(
  change: Change,
  { concurrency }: ProjectToEvaluate,
  projectId: string,
  pullRequest: number | null,
): Promise<boolean> {
  const active = await findActiveOfProject(change.kysely, projectId, pullRequest);
  const running = active.filter(({ needsApproval }) => !needsApproval);
  if (concurrency === "skip" && running.length > 0) return false;
  for (const { id, needsApproval } of active) {
    // Nobody has allowed it, and nobody need look at it any more.
    if (needsApproval) await cutEvaluation(change, id, "aborted", SUPERSEDED);
    else if (concurrency === "hard_abort") await cutEvaluation(change, id, "aborted", SUPERSEDED);
    else if (concurrency === "soft_abort")
      await cutEvaluation(change, id, "aborted", SUPERSEDED, "finish");
  }
  return true;
}

const SUPERSEDED = "a newer evaluation of the project took its place";

async function findProject({ kysely }: Change, id: string): Promise<ProjectToEvaluate> {
  const project = await findProjectToEvaluate(kysely, id);
  if (project === null) throw new NotFoundError(`project ${id} does not exist`);
  return project;
}

async function insert(
  { kysely, now, news }: Change,
  project: ProjectToEvaluate,
  projectId: string,
  about: Omit<NewEvaluation, "organization" | "project" | "repository" | "wildcard">,
): Promise<Evaluation> {
  const { organization, repository, wildcard } = project;
  const inputOverrides = await listInputOverrides(kysely, projectId);
  const evaluation = await insertEvaluation(
    kysely,
    { organization, project: projectId, repository, wildcard, inputOverrides, ...about },
    now,
  );
  if (about.pullRequest === null) await clearForced(kysely, projectId);
  await insertReport(kysely, evaluation, now);
  if (!evaluation.needsApproval) news.tasks.add(evaluation.id);
  return evaluation;
}
