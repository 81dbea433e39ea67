import { evaluationLog } from "../../../cuirass/evaluation-log.ts";
import { visibleEvaluation } from "../../../cuirass/visible-projects.ts";
import { entityNumberOf } from "../../../rules/entity-number.ts";
import { textAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { sendNoResource } from "./cuirass-errors.ts";
import { idParams } from "./parameters.ts";
import { sendLog } from "./send-log.ts";

/** GET /eval/ID/log/raw: what the evaluation had to say. */
export const getEvaluationLogRoute: Route = (api, services) => {
  api.get(
    "/eval/:id/log/raw",
    {
      schema: {
        summary: "Gives the messages of an evaluation as a text.",
        params: idParams,
        response: { 200: textAnswer("The messages.") },
      },
    },
    async (request, reply) => {
      const number = entityNumberOf(request.params.id);
      const evaluation =
        number === null ? null : await visibleEvaluation(services, request.caller, number);
      if (evaluation === null) return sendNoResource(request, reply);
      return sendLog(reply, evaluationLog(services.database.kysely, evaluation.id));
    },
  );
};
