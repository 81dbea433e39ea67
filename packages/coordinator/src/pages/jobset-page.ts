import type { Caller } from "../auth/caller.ts";
import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import { findProject } from "../db/project-repository.ts";
import { findLastLook } from "../db/trigger-repository.ts";
import { countsOf } from "./counts.ts";
import { forgeLinks, type ForgeLinks } from "./forge-links.ts";
import type { PageServices } from "./page-services.ts";
import { displayNameOf, shownJobset, type ViewOf } from "./shown.ts";
import { evaluationState, subjectOf } from "./words.ts";

const PAGE = 10;

/** Which evaluations are shown: those with smaller numbers, those with larger ones, or the newest. */
export interface JobsetQuery {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** A project with ten of its evaluations, the newest first. Throws NotFoundError. */
export async function jobsetPage(
  services: PageServices,
  caller: Caller,
  name: string,
  query: JobsetQuery,
): Promise<ViewOf<"jobset">> {
  const { database, cuirassBuilds } = services;
  const jobset = await shownJobset(services, caller, name);
  const project = await findProject(database.kysely, jobset.organizationId, jobset.project);
  const look = await findLastLook(database.kysely, jobset.projectId);
  const { evaluations, pages } = evaluationsOf(services, jobset, query);
  const messages = services.pageJobs.commitMessages(evaluations.map(({ id }) => id));
  const links = forgeLinks(jobset.repository);
  return {
    kind: "jobset",
    name: jobset.name,
    displayName: displayNameOf(jobset),
    description: project?.description ?? "",
    repository: jobset.repository,
    pattern: project?.wildcard ?? "",
    isActive: jobset.isActive,
    systems: cuirassBuilds.systemsOf(jobset.projectId),
    checkedAt: look?.checked_at ?? null,
    checkError: look?.error ?? null,
    newest: newestOf(services, jobset.projectId),
    evaluations: evaluations.map((evaluation) => ({
      number: evaluation.number,
      state: evaluationState(evaluation.state),
      commit: commitOf(evaluation, messages.get(evaluation.id) ?? null, links),
      startedAt: evaluation.createdAt,
      endedAt: evaluation.finishedAt,
      counts: countsOf(services, evaluation).counts,
    })),
    pages,
    live: `/api/v1/projects/${jobset.organization}/${jobset.project}/live`,
  };
}

function newestOf({ cuirassEvaluations }: PageServices, project: string): number | null {
  const [newest] = cuirassEvaluations.latestEvaluations({ projects: [project], limit: 1 });
  return newest?.number ?? null;
}

/** A commit as pages show it; null while it is not known. */
export function commitOf(
  { commit }: Pick<CuirassEvaluation, "commit">,
  message: string | null,
  links: ForgeLinks | null,
): ViewOf<"evaluation">["commit"] {
  if (commit === null) return null;
  return { hash: commit, subject: subjectOf(message), url: links?.commit(commit) ?? null };
}

function evaluationsOf(
  { cuirassEvaluations, pageJobs }: PageServices,
  { projectId, name }: { projectId: string; name: string },
  { before, after }: JobsetQuery,
): { evaluations: CuirassEvaluation[]; pages: ViewOf<"jobset">["pages"] } {
  const path = `/jobset/${encodeURIComponent(name)}`;
  const numbers = after === undefined ? null : pageJobs.evaluationsAfter(projectId, after, PAGE);
  // A page that is not full is the first one.
  const isFirst = numbers === null ? before === undefined : numbers.length < PAGE;
  const found =
    numbers === null || isFirst
      ? cuirassEvaluations.latestEvaluations({
          projects: [projectId],
          limit: PAGE + 1,
          ...(before === undefined ? {} : { before }),
        })
      : cuirassEvaluations.evaluations(numbers);
  const evaluations = found.slice(0, PAGE);
  const [newest, oldest] = [evaluations[0], evaluations.at(-1)];
  const hasOlder = found.length > PAGE || (numbers !== null && !isFirst);
  return {
    evaluations,
    pages: {
      newer: isFirst || newest === undefined ? null : `${path}?after=${newest.number}`,
      older: hasOlder && oldest !== undefined ? `${path}?before=${oldest.number}` : null,
    },
  };
}
