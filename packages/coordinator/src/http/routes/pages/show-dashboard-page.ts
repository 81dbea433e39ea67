import { z } from "zod";
import { dashboardPage } from "../../../pages/dashboard-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

const querystring = z.object({
  system: z.string().max(100).optional(),
  filter: z.string().max(1000).default(""),
});

/** GET /eval/:number/dashboard[/:dashboard]: a square for each job. */
export const showDashboardPageRoute: Route = (api, services) => {
  const params = z.object({ number: z.string(), dashboard: z.string().optional() });
  for (const path of ["/eval/:number/dashboard", "/eval/:number/dashboard/:dashboard"]) {
    api.get(path, { schema: { params, querystring } }, async (request, reply) => {
      const { number: evaluation, dashboard = null } = request.params;
      const of = { evaluation, dashboard };
      return sendView(reply, await dashboardPage(services, request.caller, of, request.query));
    });
  }
};
