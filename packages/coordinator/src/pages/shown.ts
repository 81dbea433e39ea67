import type { PageView } from "@gradient/web";
import type { Caller } from "../auth/caller.ts";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import type { Jobset } from "../db/cuirass-jobset-view.ts";
import { missingThing } from "../cuirass/refusals.ts";
import { visibleBuild, visibleEvaluation, visibleJobset } from "../cuirass/visible-projects.ts";
import { NotFoundError } from "../errors.ts";
import type { PageServices } from "./page-services.ts";

/** The view of one kind of page. */
export type ViewOf<Kind extends PageView["kind"]> = Extract<PageView, { kind: Kind }>;

/** By number. Throws NotFoundError for one that is not there for the caller. */
export async function shownEvaluation(
  services: PageServices,
  caller: Caller,
  number: string,
): Promise<CuirassEvaluation> {
  const isNumber = /^[1-9]\d{0,14}$/.test(number);
  const found = isNumber ? await visibleEvaluation(services, caller, Number(number)) : null;
  if (found !== null) return found;
  throw new NotFoundError(`evaluation ${number} does not exist, or it is not public`);
}

/** By number, or by the base name of the derivation. Throws NotFoundError for one that is not there for the caller. */
export async function shownBuild(
  services: PageServices,
  caller: Caller,
  id: string,
): Promise<ProjectBuildRow> {
  const found = await visibleBuild(services, caller, id);
  if (found !== null) return found;
  throw missingThing("Build", id);
}

/** By one of its names. Throws NotFoundError for one that is not there for the caller. */
export async function shownJobset(
  services: PageServices,
  caller: Caller,
  name: string,
): Promise<Jobset> {
  const found = await visibleJobset(services, caller, name);
  if (found !== null) return found;
  throw new NotFoundError(`project ${name} does not exist, or it is not public`);
}

/** Empty when it is the project's name. */
export function displayNameOf({ project, displayName }: Jobset): string {
  return displayName === project ? "" : displayName;
}

/** Ids of the organizations that the caller is a member of; of those the machines are shown. */
export async function memberships(
  { authority }: PageServices,
  caller: Caller,
): Promise<{ id: string; name: string }[]> {
  if (caller.kind === "anonymous") return [];
  const accesses = await authority.memberOrganizations(caller);
  return accesses.map(({ organization: { id, display_name: name } }) => ({ id, name }));
}
