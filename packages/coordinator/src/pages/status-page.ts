import type { Caller } from "../auth/caller.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { machineNames } from "./machine-names.ts";
import type { PageServices } from "./page-services.ts";
import type { ViewOf } from "./shown.ts";
import { runningBuild } from "./workers-page.ts";

/** What runs now, of what the caller may see. */
export async function statusPage(
  services: PageServices,
  caller: Caller,
): Promise<ViewOf<"status">> {
  const { authority, cuirassBuilds, cuirassJobsets, pageBuilds, pageJobs } = services;
  const organizations = await authority.organizationsToRead(caller);
  const held = pageBuilds
    .heldBuilds()
    .filter(({ organizationId }) => organizations.includes(organizationId));
  const numbers = held.flatMap(({ number }) => (number === null ? [] : [number]));
  const rows = new Map(cuirassBuilds.builds(numbers).map((row) => [row.number, row]));
  const machines = new Map(
    await Promise.all(
      organizations.map(async (id) => [id, await machineNames(services, caller, id)] as const),
    ),
  );
  const { waiting } = pageJobs.countPending(cuirassJobsets.projectsOf(organizations));
  return {
    kind: "status",
    waiting,
    running: held.map((build) => {
      const row = build.number === null ? undefined : rows.get(build.number);
      return {
        ...runningBuild(services, build, true),
        jobset: row === undefined ? null : jobsetName(row),
        system: row?.system ?? "",
        worker: machines.get(build.organizationId)?.of(build.workerId) ?? null,
      };
    }),
  };
}
