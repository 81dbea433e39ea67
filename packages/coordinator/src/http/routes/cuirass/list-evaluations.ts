import { z } from "zod";
import { evaluationObject } from "../../../cuirass/evaluation-object.ts";
import { readQuery, requireLimit, textOf } from "../../../cuirass/query.ts";
import { visibleProjects } from "../../../cuirass/visible-projects.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { nr, parameter, token } from "./parameters.ts";
import { sendJsonText } from "../../send-json.ts";

const MAX_EVALUATIONS = 1000;

/** GET /api/evaluations: newest first, of all statuses. */
export const listEvaluationsRoute: Route = (api, services) => {
  const { cuirassEvaluations } = services;
  api.get(
    "/api/evaluations",
    {
      schema: {
        summary: "Lists evaluations, newest first.",
        querystring: z.object({ nr, spec: parameter, token }),
        response: { 200: bareJsonAnswer("The evaluations.", z.array(evaluationObject)) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const query = readQuery(originalUrl);
      const limit = requireLimit(query, MAX_EVALUATIONS, "Parameter not defined!");
      const projects = await visibleProjects(services, caller, textOf(query, "spec"));
      const numbers = cuirassEvaluations.latestNumbers({ projects, limit });
      return sendJsonText(reply, cuirassEvaluations.evaluationsText(numbers));
    },
  );
};
