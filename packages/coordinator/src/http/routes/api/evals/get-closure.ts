import { buildClosure } from "../../../../closures/closure-graph.ts";
import { listEntryPoints } from "../../../../db/evaluation-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { closureGraph, toClosureAnswer } from "../builds/closure-answer.ts";
import { evaluationParams } from "./evaluation-params.ts";

/** GET /evals/{id}/closure: what the entry points need, with the sizes of what it makes. */
export const getEvaluationClosureRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id/closure",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Sums up what an evaluation's entry points need to be built, by size.",
        params: evaluationParams,
        response: { 200: envelope(closureGraph) },
      },
    },
    async (request) => {
      const { evaluation } = await authority.readEvaluation(request.caller, request.params.id);
      const db = database.kysely;
      const entryPoints = await listEntryPoints(db, evaluation.id);
      const derivations = [...new Set(entryPoints.map((entry) => entry.derivation_id))];
      const graph = await buildClosure(db, evaluation.organization_id, derivations);
      return ok(toClosureAnswer(graph));
    },
  );
};
