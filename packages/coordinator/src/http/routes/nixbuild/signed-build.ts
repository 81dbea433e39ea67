import { z } from "zod";
import type { NixbuildBuildView } from "../../../db/nixbuild-build-view.ts";
import { ForbiddenError } from "../../../errors.ts";
import type { BuildLinks } from "../../../nixbuild/build-links.ts";
import type { BuildObject } from "../../../nixbuild/build-object.ts";
import { entityNumberOf } from "../../../rules/entity-number.ts";
import { findNumberedBuild } from "./build-number.ts";

export const signedQuery = z.object({
  expires: z.string().optional(),
  signature: z.string().optional(),
});

/** The build that a link shows. Throws ForbiddenError for every link that is not good, whether there is such a build or not. */
export function readSignedBuild(
  { buildLinks, nixbuildBuilds }: { buildLinks: BuildLinks; nixbuildBuilds: NixbuildBuildView },
  id: string,
  { expires = "", signature = "" }: z.infer<typeof signedQuery>,
): BuildObject {
  const number = entityNumberOf(id);
  if (number === null || !buildLinks.isGood(number, expires, signature)) {
    throw new ForbiddenError("this link is not valid, or not any more; ask for a new one");
  }
  return findNumberedBuild(nixbuildBuilds, number, id);
}
