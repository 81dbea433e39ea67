import { readUsage } from "../../../../db/usage-view.ts";
import { usageMetrics } from "../../../../nixbuild/usage-texts.ts";
import { textAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { usageParams } from "./usage-query.ts";

const ALWAYS = { from: 0, before: Number.MAX_SAFE_INTEGER };

/** GET /orgs/{org}/usage/metrics. An extension of ours. */
export const getUsageMetricsRoute: Route = (api, { authority, nixbuildBuilds }) => {
  api.get(
    "/orgs/:org/usage/metrics",
    {
      config: { access: "required" },
      schema: {
        summary: "Gives what builds used since ever, by project, to Prometheus.",
        params: usageParams,
        response: { 200: textAnswer("Prometheus's text format, version 0.0.4.") },
      },
    },
    async ({ caller, params }, reply) => {
      const { organization } = await authority.memberOrganization(caller, params.org);
      const days = readUsage(nixbuildBuilds, organization.id, { by: "project" }, ALWAYS);
      return reply
        .type("text/plain; version=0.0.4; charset=utf-8")
        .send(usageMetrics(organization.name, days));
    },
  );
};
