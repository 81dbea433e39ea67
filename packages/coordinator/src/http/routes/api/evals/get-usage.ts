import { usageRecordSchema } from "@gradient/protocol";
import { z } from "zod";
import { readJsonColumn } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { evaluationParams } from "./evaluation-params.ts";

const usage = z.object({
  /** Of the last fetch. */
  fetch: usageRecordSchema.nullable(),
  /** Of the last run of the evaluator. */
  evaluation: usageRecordSchema.nullable(),
});

/** GET /evals/{id}/usage: what fetching and evaluating used. An extension of ours. */
export const getEvaluationUsageRoute: Route = (api, { authority }) => {
  api.get(
    "/evals/:id/usage",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows what fetching and evaluating used.",
        params: evaluationParams,
        response: { 200: envelope(usage) },
      },
    },
    async (request) => {
      const { evaluation } = await authority.readEvaluation(request.caller, request.params.id);
      const read = (text: string | null) =>
        text === null ? null : readJsonColumn(usageRecordSchema, text);
      return ok({
        fetch: read(evaluation.fetch_usage_json),
        evaluation: read(evaluation.eval_usage_json),
      });
    },
  );
};
