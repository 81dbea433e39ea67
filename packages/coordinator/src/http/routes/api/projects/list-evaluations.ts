import { z } from "zod";
import { countByEvaluation, listProjectEvaluations } from "../../../../db/evaluation-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { evaluationSummary, toEvaluationSummary } from "../evals/evaluation-summary.ts";
import { projectParams } from "./project.ts";

/** More are not answered at once, whatever is asked for. */
const MAX_EVALUATIONS = 500;

const querystring = z.object({
  /** By default as many as the project keeps. */
  limit: z.coerce.number().int().min(1).optional(),
});

/** GET /projects/{org}/{project}/evaluations, the newest first. */
export const listEvaluationsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/evaluations",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the evaluations of a project, the newest first.",
        params: projectParams,
        querystring,
        response: { 200: envelope(z.array(evaluationSummary)) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project } = await authority.readProject(request.caller, org, name);
      const limit = Math.min(request.query.limit ?? project.keep_evaluations, MAX_EVALUATIONS);
      const db = database.kysely;
      const rows = await listProjectEvaluations(db, project.id, limit);
      const counts = await countByEvaluation(
        db,
        rows.map((row) => row.id),
      );
      return ok(rows.map((row) => toEvaluationSummary(row, counts.get(row.id))));
    },
  );
};
