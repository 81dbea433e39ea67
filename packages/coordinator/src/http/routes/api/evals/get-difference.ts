import { z } from "zod";
import { compareEvaluations } from "../../../../evaluations/compare-evaluations.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { evaluationParams } from "./evaluation-params.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

const querystring = z.object({
  against: z.uuid().optional().meta({
    description: "An earlier evaluation of the project; the last one before it, if absent.",
  }),
  limit: z.coerce.number().int().min(0).max(MAX_LIMIT).default(DEFAULT_LIMIT).meta({
    description: "How many jobs of each kind are named; all are counted.",
  }),
});

const side = z
  .object({
    build: z.int().meta({ description: "Number of the project's build." }),
    status: z.int().meta({ description: "Cuirass's build status." }),
  })
  .nullable();

const kind = z.object({
  count: z.int(),
  jobs: z.array(z.object({ name: z.string(), before: side, now: side })),
});

const difference = z
  .object({
    against: z.uuid().nullable().meta({ description: "null when there is no earlier one." }),
    new: kind,
    gone: kind,
    broken: kind.meta({ description: "Succeeded before, and failed." }),
    fixed: kind.meta({ description: "Failed before, and succeeded." }),
    changed: kind.meta({ description: "Have another build, and ended alike or not yet." }),
  })
  .meta({ id: "EvaluationDifference" });

/** GET /evals/{id}/difference: jobs in the order of their names. */
export const getDifferenceRoute: Route = (api, { authority, cuirassEvaluations }) => {
  api.get(
    "/evals/:id/difference",
    {
      config: { access: "optional" },
      schema: {
        summary:
          "Tells which jobs an evaluation has new, lost, broken or fixed against an earlier one.",
        params: evaluationParams,
        querystring,
        response: { 200: envelope(difference) },
      },
    },
    async ({ caller, params, query }) => {
      const { evaluation } = await authority.readEvaluation(caller, params.id);
      const { against = null, limit } = query;
      return ok(compareEvaluations(cuirassEvaluations, { id: evaluation.id, against, limit }));
    },
  );
};
