import { z } from "zod";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { seconds } from "./seconds.ts";

const flag = z.union([z.literal(0), z.literal(1)]);

export const productObject = z.object({
  id: z.int(),
  type: z.string(),
  path: z.string(),
  "file-size": z.int(),
});
export type ProductObject = z.infer<typeof productObject>;

/** Times are seconds since the epoch, 0 while it is not so far; clients read integers and nothing else. */
export const buildObject = z.object({
  id: z.int(),
  evaluation: z.int().meta({ description: "The one that registered it." }),
  jobset: z.string(),
  job: z.string(),
  timestamp: z.int().meta({ description: "Of its end, else of its creation." }),
  starttime: z.int(),
  stoptime: z.int(),
  derivation: z.string(),
  buildoutputs: z.record(z.string(), z.object({ path: z.string() })),
  system: z.string(),
  nixname: z.string(),
  buildstatus: z.int().min(-3).max(4),
  weather: z.int().min(-1).max(3),
  busy: flag,
  priority: z.int(),
  finished: flag,
  buildproducts: z.array(productObject),
});
export type BuildObject = z.infer<typeof buildObject>;

interface BuildTimes {
  readonly timestamp: number;
  readonly starttime: number;
  readonly stoptime: number;
}

/** What never began has no start; what was found ready began and ended in that moment. */
function buildTimes(row: ProjectBuildRow): BuildTimes {
  const { status, startedAt, assignedAt, stoppedAt, storedAt, createdAt, updatedAt } = row;
  if (status < -1) return { timestamp: seconds(createdAt), starttime: 0, stoptime: 0 };
  if (status === -1) {
    // An earlier attempt may have begun before this one was given out.
    const starttime = seconds(Math.max(startedAt ?? 0, assignedAt ?? 0));
    return { timestamp: seconds(createdAt), starttime, stoptime: 0 };
  }
  const began = startedAt ?? assignedAt;
  const stoptime = seconds(stoppedAt ?? storedAt ?? updatedAt);
  const found = status === 0 ? stoptime : 0;
  return { timestamp: stoptime, starttime: began === null ? found : seconds(began), stoptime };
}

/** A project's build in Cuirass's words. */
export function buildObjectOf(
  row: ProjectBuildRow,
  products: readonly ProductObject[],
): BuildObject {
  return {
    id: row.number,
    evaluation: row.evaluation,
    jobset: jobsetName(row),
    job: row.job,
    ...buildTimes(row),
    derivation: `/nix/store/${row.drvPath}`,
    buildoutputs: outputsOf(row.outputsJson),
    system: row.system,
    nixname: row.nixName,
    buildstatus: row.status,
    weather: row.weather,
    busy: row.status === -1 ? 1 : 0,
    priority: row.priority,
    finished: row.status >= 0 ? 1 : 0,
    buildproducts: [...products],
  };
}

const outputsSchema = z.record(z.string(), z.string());

function outputsOf(json: string): BuildObject["buildoutputs"] {
  const outputs = Object.entries(outputsSchema.parse(JSON.parse(json)));
  return Object.fromEntries(
    outputs
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, path]) => [name, { path: `/nix/store/${path}` }]),
  );
}
