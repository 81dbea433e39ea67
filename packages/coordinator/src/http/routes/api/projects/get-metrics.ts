import { z } from "zod";
import { listEvaluationPoints } from "../../../../db/project-metrics-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

/** More points than a chart can show are not answered. */
export const MAX_POINTS = 100;

const point = z.object({
  evaluation_id: z.uuid(),
  created_at: timestamp,
  build_time_total_ms: z.int(),
  eval_time_ms: z.int(),
  output_size_bytes: z.int().nullable(),
  closure_size_bytes: z.int().nullable(),
  runtime_closure_size_bytes: z.int().nullable(),
  dependencies_count: z.int(),
});

const answer = z.object({ keep_evaluations: z.int(), points: z.array(point) });

/** GET /projects/{org}/{project}/metrics */
export const getProjectMetricsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/metrics",
    {
      config: { access: "optional" },
      schema: {
        summary: "Gives figures of each completed evaluation that the project keeps, newest first.",
        description: "Sizes of closures are counted in the background, and null until then.",
        params: projectParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project } = await authority.readProject(request.caller, org, name);
      const limit = Math.min(project.keep_evaluations, MAX_POINTS);
      const points = await listEvaluationPoints(database.kysely, project, limit);
      return ok({
        keep_evaluations: project.keep_evaluations,
        points: points.map((each) => ({
          evaluation_id: each.id,
          created_at: toTimestamp(each.createdAt),
          build_time_total_ms: each.buildTimeMs,
          eval_time_ms:
            each.evalStartedAt === null || each.evaluatedAt === null
              ? 0
              : each.evaluatedAt - each.evalStartedAt,
          output_size_bytes: each.outputBytes,
          closure_size_bytes: each.closureBytes,
          runtime_closure_size_bytes: each.runtimeClosureBytes,
          dependencies_count: each.dependencies,
        })),
      });
    },
  );
};
