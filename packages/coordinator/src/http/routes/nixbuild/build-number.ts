import { z } from "zod";
import type { Authority } from "../../../auth/authority.ts";
import type { Caller } from "../../../auth/caller.ts";
import type { NixbuildBuildView } from "../../../db/nixbuild-build-view.ts";
import { NotFoundError } from "../../../errors.ts";
import type { BuildObject } from "../../../nixbuild/build-object.ts";
import { entityNumberOf } from "../../../rules/entity-number.ts";

export const buildNumberParams = z.object({ id: z.string() });

/** The build that the path names. Throws NotFoundError, also for what is no number. */
export async function readNumberedBuild(
  { authority, nixbuildBuilds }: { authority: Authority; nixbuildBuilds: NixbuildBuildView },
  caller: Caller,
  id: string,
): Promise<BuildObject> {
  const number = entityNumberOf(id);
  await authority.readAttempt(
    caller,
    id,
    number === null ? null : nixbuildBuilds.organizationOf(number),
  );
  return findNumberedBuild(nixbuildBuilds, number, id);
}

/** For who was let in already. `id` is what was asked for; null where it is no number. Throws NotFoundError. */
export function findNumberedBuild(
  builds: NixbuildBuildView,
  number: number | null,
  id: string,
): BuildObject {
  const build = number === null ? null : builds.build(number);
  if (build === null) throw new NotFoundError(`build ${id} does not exist`);
  return build;
}
