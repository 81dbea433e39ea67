import { z } from "zod";
import { evaluationObject } from "../../../cuirass/evaluation-object.ts";
import { readQuery, requireNumber } from "../../../cuirass/query.ts";
import { missingThing } from "../../../cuirass/refusals.ts";
import { visibleEvaluation } from "../../../cuirass/visible-projects.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { parameter, token } from "./parameters.ts";
import { sendJsonText } from "../../send-json.ts";

/** GET /api/evaluation */
export const getEvaluationRoute: Route = (api, services) => {
  api.get(
    "/api/evaluation",
    {
      schema: {
        summary: "Shows an evaluation.",
        querystring: z.object({ id: parameter, token }),
        response: { 200: bareJsonAnswer("The evaluation.", evaluationObject) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const id = requireNumber(readQuery(originalUrl), "id", "Parameter not defined!");
      const evaluation = await visibleEvaluation(services, caller, id);
      if (evaluation === null) throw missingThing("Evaluation", String(id));
      return sendJsonText(reply, services.cuirassEvaluations.evaluationsText([id]).slice(1, -1));
    },
  );
};
