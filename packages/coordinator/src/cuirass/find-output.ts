import { z } from "zod";
import type { Authority } from "../auth/authority.ts";
import type { Caller } from "../auth/caller.ts";
import type { Database } from "../db/client.ts";
import type { CuirassBuildView } from "../db/cuirass-build-view.ts";
import { buildObject } from "./build-object.ts";
import { describeBuilds } from "./describe-builds.ts";
import { firstVisible } from "./visible-projects.ts";

export const outputObject = z.object({
  name: z.string(),
  derivation: z.string(),
  build: z
    .union([buildObject, z.literal(false)])
    .meta({ description: "false when no project of the caller has built it." }),
});

/** An output by the base name of its path; null when the caller knows of none. */
export async function findOutput(
  parts: { authority: Authority; cuirassBuilds: CuirassBuildView; database: Database },
  caller: Caller,
  base: string,
): Promise<z.infer<typeof outputObject> | null> {
  const { authority, cuirassBuilds } = parts;
  const built = cuirassBuilds.numbersOfOutput(base);
  const row = await firstVisible(
    parts,
    caller,
    built.map(({ number }) => number),
  );
  if (row !== null) {
    const [build] = z
      .array(buildObject)
      .parse(JSON.parse(await describeBuilds(parts, [row.number])));
    const name = built.find(({ number }) => number === row.number)?.output ?? "out";
    return { name, derivation: `/nix/store/${row.drvPath}`, build: build ?? false };
  }
  for (const { organizationId, output, drvPath } of cuirassBuilds.derivationsOfOutput(base)) {
    if (!(await authority.mayReadOrganization(caller, organizationId))) continue;
    return { name: output, derivation: `/nix/store/${drvPath}`, build: false };
  }
  return null;
}
