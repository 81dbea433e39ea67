import { z } from "zod";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { evaluationParams } from "./evaluation-params.ts";

const body = z.object({ method: z.string() });

/** POST /evals/{id} with `{"method": "abort"}`. Harmless on an evaluation that has ended. */
export const abortEvaluationRoute: Route = (api, { authority, evaluations }) => {
  api.post(
    "/evals/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Aborts an evaluation and its builds.",
        params: evaluationParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { evaluation } = await authority.evaluation(caller, params.id, "triggerEvaluation");
      if (request.body.method !== "abort") {
        throw new BadRequestError(`method "${request.body.method}" is not known; there is "abort"`);
      }
      await evaluations.abort(evaluation.id);
      return ok("Success");
    },
  );
};
