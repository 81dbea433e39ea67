import { z } from "zod";
import { readJsonColumn } from "../db/json-column.ts";
import type { Jobset } from "../db/cuirass-jobset-view.ts";

export const jobsetObject = z.object({
  name: z.string(),
  build: z.string(),
  channels: z.array(
    z.object({ name: z.string(), url: z.string(), branch: z.string(), commit: z.literal(false) }),
  ),
  "build-outputs": z
    .array(z.unknown())
    .meta({ description: "Empty: outputs name their own products." }),
  notifications: z
    .array(z.unknown())
    .meta({ description: "Empty: forges are told by integrations." }),
  period: z
    .int()
    .meta({ description: "Seconds between looks at the repository; 0 when it is told." }),
  priority: z.int().min(0).max(9),
  systems: z.array(z.string()),
});

const pollingSchema = z.object({ interval_secs: z.int(), branch: z.string().nullish() });

export function jobsetObjectOf(
  jobset: Jobset,
  systems: readonly string[],
): z.infer<typeof jobsetObject> {
  const { name, alias, project, repository, priority, pollingJson } = jobset;
  const polling = pollingJson === null ? null : readJsonColumn(pollingSchema, pollingJson);
  const branch = polling?.branch ?? "HEAD";
  return {
    name,
    build: "custom",
    channels: [{ name: alias ?? project, url: repository, branch, commit: false }],
    "build-outputs": [],
    notifications: [],
    period: polling?.interval_secs ?? 0,
    priority,
    systems: [...systems],
  };
}
