import { readUsage } from "../../../../db/usage-view.ts";
import { usageCsv } from "../../../../nixbuild/usage-texts.ts";
import { textAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { readUsageQuery, usageParams, usageQuery } from "./usage-query.ts";

/** GET /orgs/{org}/usage.csv. An extension of ours. */
export const getUsageCsvRoute: Route = (api, { authority, nixbuildBuilds, clock }) => {
  api.get(
    "/orgs/:org/usage.csv",
    {
      config: { access: "required" },
      schema: {
        summary: "Gives what builds used, by day, and by project or tag, as a table.",
        params: usageParams,
        querystring: usageQuery,
        response: { 200: textAnswer("RFC 4180, with a line of names.", "text/csv") },
      },
    },
    async ({ caller, params, query }, reply) => {
      const { organization } = await authority.memberOrganization(caller, params.org);
      const { group, period } = readUsageQuery(query, clock.now());
      return reply
        .type("text/csv; charset=utf-8")
        .header("x-content-type-options", "nosniff")
        .header("content-disposition", 'attachment; filename="usage.csv"')
        .send(usageCsv(readUsage(nixbuildBuilds, organization.id, group, period)));
    },
  );
};
