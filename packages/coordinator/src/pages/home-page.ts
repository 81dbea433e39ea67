import type { Caller } from "../auth/caller.ts";
import type { Jobset } from "../db/cuirass-jobset-view.ts";
import { findLastLook } from "../db/trigger-repository.ts";
import { countsOf } from "./counts.ts";
import type { PageServices } from "./page-services.ts";
import { displayNameOf, type ViewOf } from "./shown.ts";
import { evaluationState } from "./words.ts";

/** All projects that the caller may see. */
export async function homePage(services: PageServices, caller: Caller): Promise<ViewOf<"home">> {
  const { authority, cuirassJobsets } = services;
  const organizations = await authority.organizationsToRead(caller);
  const jobsets = cuirassJobsets.listJobsets(organizations);
  return {
    kind: "home",
    isSignedIn: caller.kind === "signed-in",
    jobsets: await Promise.all(jobsets.map((jobset) => rowOf(services, jobset))),
  };
}

async function rowOf(
  services: PageServices,
  jobset: Jobset,
): Promise<ViewOf<"home">["jobsets"][number]> {
  const { projectId, name, repository, isActive } = jobset;
  const [newest] = services.cuirassEvaluations.latestEvaluations({
    projects: [projectId],
    limit: 1,
  });
  const look =
    newest === undefined ? await findLastLook(services.database.kysely, projectId) : undefined;
  return {
    name,
    description: displayNameOf(jobset),
    repository,
    isActive,
    newest:
      newest === undefined
        ? null
        : {
            number: newest.number,
            state: evaluationState(newest.state),
            startedAt: newest.createdAt,
            commit: newest.commit,
            ...countsOf(services, newest),
          },
    checkError: look?.error ?? null,
  };
}
