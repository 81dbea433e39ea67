import { openDashboard } from "../../../cuirass/dashboards.ts";
import { missingThing } from "../../../cuirass/refusals.ts";
import { redirectAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { idParams } from "./parameters.ts";

/** GET /dashboard/ID: leads to the dashboard's page in the newest evaluation whose jobs are known. */
export const showDashboardRoute: Route = (api, services) => {
  const { cuirassEvaluations } = services;
  api.get(
    "/dashboard/:id",
    {
      schema: {
        summary: "Leads to a dashboard in the newest evaluation.",
        params: idParams,
        response: { 302: redirectAnswer("The dashboard's page.") },
      },
    },
    async ({ caller, params }, reply) => {
      const opened = await openDashboard(services, caller, params.id);
      const newest =
        opened === null ? null : cuirassEvaluations.latestSucceeded(opened.jobset.projectId);
      if (opened === null || newest === null) throw missingThing("Dashboard", params.id);
      return reply.redirect(`/eval/${newest.number}/dashboard/${opened.dashboard.id}`, 302);
    },
  );
};
