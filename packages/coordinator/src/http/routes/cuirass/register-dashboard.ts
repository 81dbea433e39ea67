import { z } from "zod";
import { registerDashboard } from "../../../cuirass/dashboards.ts";
import { listOf, readQuery, textOf } from "../../../cuirass/query.ts";
import { missingJobset, parameterMissing } from "../../../cuirass/refusals.ts";
import { visibleJobset } from "../../../cuirass/visible-projects.ts";

import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { parameter, token } from "./parameters.ts";
import { sendJson } from "../../send-json.ts";

/** GET /api/dashboard/register: each call makes a new one. */
export const registerDashboardRoute: Route = (api, services) => {
  api.get(
    "/api/dashboard/register",
    {
      exposeHeadRoute: false,
      schema: {
        summary: "Keeps a list of jobs to be looked at together.",
        querystring: z.object({ spec: parameter, names: parameter, token }),
        response: { 200: bareJsonAnswer("Its id.", z.object({ id: z.string() })) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const query = readQuery(originalUrl);
      const spec = textOf(query, "spec") ?? textOf(query, "specification");
      const names = listOf(query, "names");
      if (spec === undefined || names === undefined)
        throw parameterMissing("Parameter not defined");
      const jobset = await visibleJobset(services, caller, spec);
      if (jobset === null) throw missingJobset();
      return sendJson(reply, { id: await registerDashboard(services, caller, { jobset, names }) });
    },
  );
};
