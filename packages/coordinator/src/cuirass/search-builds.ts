import type { Authority } from "../auth/authority.ts";
import type { Caller } from "../auth/caller.ts";
import type { CuirassBuildView, ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { CuirassJobsetView } from "../db/cuirass-jobset-view.ts";
import { readSearch } from "./search-query.ts";
import { visibleProjects } from "./visible-projects.ts";

/** Builds that a search finds among those of the caller, the newest first. */
export async function searchBuilds(
  parts: {
    authority: Authority;
    cuirassJobsets: CuirassJobsetView;
    cuirassBuilds: CuirassBuildView;
  },
  caller: Caller,
  text: string,
  limit: number,
): Promise<ProjectBuildRow[]> {
  const { spec, ...filter } = readSearch(text);
  const projects = await visibleProjects(parts, caller, spec);
  return parts.cuirassBuilds.searchBuilds({ ...filter, projects, limit });
}
