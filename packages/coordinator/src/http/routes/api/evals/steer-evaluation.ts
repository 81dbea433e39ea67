import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { evaluationParams } from "./evaluation-params.ts";

const body = z.object({ method: z.string() });

/**
 * POST /evals/{id} with `{"method": "abort"}`, harmless on an evaluation that has ended, or `{"method": "approve"}`, which lets an evaluation
 * run that waits for approval.
 */
export const steerEvaluationRoute: Route = (api, { authority, evaluations }) => {
  api.post(
    "/evals/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Aborts an evaluation, or approves one that waits for approval.",
        params: evaluationParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { evaluation } = await authority.evaluation(caller, params.id, "triggerEvaluation");
      switch (request.body.method) {
        case "abort":
          await evaluations.abort(evaluation.id);
          return ok("Success");
        case "approve":
          await evaluations.approve(evaluation.id, signedIn(caller).user.id);
          return ok("Success");
        default:
          throw new BadRequestError(
            `method "${request.body.method}" is not known; there are "abort" and "approve"`,
          );
      }
    },
  );
};
