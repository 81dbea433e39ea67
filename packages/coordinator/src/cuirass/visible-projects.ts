import type { Authority } from "../auth/authority.ts";
import { anonymous, type Caller } from "../auth/caller.ts";
import type { CuirassBuildView, ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { CuirassEvaluation, CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import type { CuirassJobsetView, Jobset } from "../db/cuirass-jobset-view.ts";
import { entityNumberOf } from "../rules/entity-number.ts";

/** What of the farm a caller is shown; everything else is not there. */

interface Parts {
  readonly authority: Authority;
  readonly cuirassJobsets: CuirassJobsetView;
  readonly cuirassEvaluations: CuirassEvaluationView;
  readonly cuirassBuilds: CuirassBuildView;
}

type Jobsets = Pick<Parts, "authority" | "cuirassJobsets">;

/** By alias, or ORGANIZATION.PROJECT; null when there is none for the caller. */
export async function visibleJobset(
  { authority, cuirassJobsets }: Jobsets,
  caller: Caller,
  name: string,
): Promise<Jobset | null> {
  const jobset = cuirassJobsets.jobset(name);
  if (jobset === null) return null;
  return (await authority.mayReadOrganization(caller, jobset.organizationId)) ? jobset : null;
}

/** Ids of the caller's projects: all of them, or the one jobset that is named. */
export async function visibleProjects(
  parts: Jobsets,
  caller: Caller,
  jobset?: string,
): Promise<string[]> {
  if (jobset !== undefined) {
    const found = await visibleJobset(parts, caller, jobset);
    return found === null ? [] : [found.projectId];
  }
  return parts.cuirassJobsets.projectsOf(await parts.authority.organizationsToRead(caller));
}

/** By its number; null when there is none for the caller, and for one that is of no project. */
export async function visibleEvaluation(
  { authority, cuirassEvaluations }: Pick<Parts, "authority" | "cuirassEvaluations">,
  caller: Caller,
  number: number,
): Promise<CuirassEvaluation | null> {
  const found = cuirassEvaluations.evaluationByNumber(number);
  if (found === null) return null;
  return (await authority.mayReadOrganization(caller, found.organizationId)) ? found : null;
}

type Builds = Pick<Parts, "authority" | "cuirassBuilds">;

/** By number, or by the base name of the derivation, which several projects may have. */
export async function visibleBuild(
  parts: Builds,
  caller: Caller,
  id: string,
): Promise<ProjectBuildRow | null> {
  const number = entityNumberOf(id);
  if (number !== null) return firstVisible(parts, caller, [number]);
  if (!id.endsWith(".drv")) return null;
  return firstVisible(parts, caller, parts.cuirassBuilds.numbersOfDerivation(id));
}

/** The first build, in the order of the numbers, that the caller may read; null when there is none. */
export async function firstVisible(
  { authority, cuirassBuilds }: Builds,
  caller: Caller,
  numbers: readonly number[],
): Promise<ProjectBuildRow | null> {
  for (const row of cuirassBuilds.builds(numbers)) {
    if (await authority.mayReadOrganization(caller, row.organizationId)) return row;
  }
  return null;
}

/** A build product by its number, with the build that it is of. */
export async function visibleProduct(
  parts: Builds,
  caller: Caller,
  id: string,
): Promise<{ number: number; build: ProjectBuildRow; isPublic: boolean } | null> {
  const number = entityNumberOf(id);
  const place = number === null ? null : parts.cuirassBuilds.buildOfProduct(number);
  if (number === null || place === null) return null;
  const build = await firstVisible(parts, caller, [place.build]);
  if (build === null) return null;
  const isPublic = await parts.authority.mayReadOrganization(anonymous, build.organizationId);
  return { number, build, isPublic };
}

/** The build that made an output, or that a derivation is for; base names. */
export async function visibleBuildOfPath(
  parts: Builds,
  caller: Caller,
  base: string,
): Promise<ProjectBuildRow | null> {
  const { cuirassBuilds } = parts;
  const made = cuirassBuilds.numbersOfOutput(base).map(({ number }) => number);
  return firstVisible(parts, caller, [...made, ...cuirassBuilds.numbersOfDerivation(base)]);
}

/** A jobset whose hook the caller may call: one that they see and that everybody may call for, or whose evaluations they may start. */
export async function hookedJobset(
  parts: Jobsets,
  caller: Caller,
  name: string,
): Promise<Jobset | null> {
  const jobset = await visibleJobset(parts, caller, name);
  if (jobset === null || jobset.isHookOpen) return jobset;
  const mayTrigger = await parts.authority.mayTrigger(caller, jobset.organizationId);
  return mayTrigger ? jobset : null;
}
