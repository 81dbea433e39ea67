import type { Authority } from "../../../auth/authority.ts";
import type { Caller } from "../../../auth/caller.ts";
import {
  optionalNumber,
  requireLimit,
  spellings,
  textOf,
  type CuirassQuery,
} from "../../../cuirass/query.ts";
import { visibleProjects } from "../../../cuirass/visible-projects.ts";
import type { ProjectBuildFilter } from "../../../db/cuirass-build-places.ts";
import type { CuirassJobsetView } from "../../../db/cuirass-jobset-view.ts";

const MAX_BUILDS = 1000;

/** Which builds a list has. What names nothing finds nothing. */
export async function readBuildFilter(
  parts: { authority: Authority; cuirassJobsets: CuirassJobsetView },
  caller: Caller,
  query: CuirassQuery,
): Promise<ProjectBuildFilter> {
  const limit = requireLimit(query, MAX_BUILDS, "Parameter not defined");
  const evaluation = optionalNumber(query, "evaluation");
  const job = textOf(query, "job");
  const system = textOf(query, "system");
  return {
    projects: await visibleProjects(parts, caller, textOf(query, "jobset")),
    limit,
    ...(evaluation === undefined ? {} : { evaluation }),
    ...(job === undefined ? {} : { job: spellings(job) }),
    ...(system === undefined ? {} : { system }),
  };
}
