import type { Route } from "../../../api.ts";
import { answerLive, liveAnswers, liveQuery } from "../../../live-route.ts";
import { evaluationParams } from "./evaluation-params.ts";

/** GET /evals/{id}/live, a WebSocket: what changes in an evaluation and its builds. */
export const watchEvaluationRoute: Route = (api, services) => {
  api.get(
    "/evals/:id/live",
    {
      config: { access: "optional" },
      schema: {
        summary: "Tells by WebSocket what changes in an evaluation and its builds.",
        params: evaluationParams,
        querystring: liveQuery,
        response: liveAnswers,
      },
    },
    (request, reply) =>
      answerLive(services, api.live, request, reply, async (caller) => {
        const { evaluation } = await services.authority.readEvaluation(caller, request.params.id);
        return { kind: "evaluation", id: evaluation.id };
      }),
  );
};
