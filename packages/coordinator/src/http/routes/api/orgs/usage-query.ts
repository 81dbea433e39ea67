import { z } from "zod";
import type { UsageGroup } from "../../../../db/usage-view.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Period } from "../../../../nixbuild/periods.ts";
import { readDate } from "../../../../nixbuild/build-query.ts";
import { usagePeriod } from "../../../../nixbuild/usage.ts";

export const usageParams = z.object({ org: z.string() });

export const usageQuery = z.object({
  from: z.string().optional().meta({ description: "Date; the first of this month when absent." }),
  to: z.string().optional().meta({ description: "Date; not included." }),
  by: z.enum(["organization", "project", "tag"]).default("organization"),
  tag: z.string().optional().meta({ description: "Name of the tag whose values are told apart." }),
});

/** What of the organization's usage is asked for. Throws BadRequestError. */
export function readUsageQuery(
  query: z.infer<typeof usageQuery>,
  now: number,
): { period: Period; group: UsageGroup } {
  const period = usagePeriod(readDate("from", query.from), readDate("to", query.to), now);
  if (query.by !== "tag") return { period, group: { by: query.by } };
  if (query.tag === undefined || query.tag === "") {
    throw new BadRequestError("by=tag needs tag=NAME");
  }
  return { period, group: { by: "tag", name: query.tag } };
}
