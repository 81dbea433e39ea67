import { z } from "zod";
import { readUsage } from "../../../../db/usage-view.ts";
import { usageItem } from "../../../../nixbuild/usage-texts.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { readUsageQuery, usageParams, usageQuery } from "./usage-query.ts";

const item = z.object({
  day: z.iso.date().meta({ description: "On which the builds stopped, in UTC." }),
  group: z
    .string()
    .nullable()
    .meta({ description: "The project's name or the tag's value, as `by` says." }),
  builds: z.int(),
  billable_builds: z.int(),
  measured_cpu_seconds: z.int(),
  allocated_cpu_seconds: z.int(),
  billable_measured_cpu_seconds: z.int(),
  billable_allocated_cpu_seconds: z.int(),
});

/** GET /orgs/{org}/usage. An extension of ours. */
export const getUsageRoute: Route = (api, { authority, nixbuildBuilds, clock }) => {
  api.get(
    "/orgs/:org/usage",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows what builds used, by day, and by project or tag.",
        params: usageParams,
        querystring: usageQuery,
        response: { 200: envelope(z.array(item)) },
      },
    },
    async ({ caller, params, query }) => {
      const { organization } = await authority.memberOrganization(caller, params.org);
      const { group, period } = readUsageQuery(query, clock.now());
      return ok(readUsage(nixbuildBuilds, organization.id, group, period).map(usageItem));
    },
  );
};
