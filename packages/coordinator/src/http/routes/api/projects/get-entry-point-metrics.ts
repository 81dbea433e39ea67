import { z } from "zod";
import { listEntryPointPoints } from "../../../../db/project-metrics-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { buildStatus, readBuildStatus } from "../builds/build-status.ts";
import { attributeJson } from "../evals/attribute-text.ts";
import { MAX_POINTS } from "./get-metrics.ts";
import { projectParams } from "./project.ts";

const querystring = z.object({
  /** Attribute path, such as `packages.x86_64-linux."a.b"`. */
  eval: z.string(),
});

const point = z.object({
  evaluation_id: z.uuid(),
  build_id: z.uuid(),
  created_at: timestamp,
  build_status: buildStatus,
  build_time_ms: z.int().nullable(),
  output_size_bytes: z.int().nullable(),
  closure_size_bytes: z.int().nullable(),
  runtime_closure_size_bytes: z.int().nullable(),
  dependencies_count: z.int(),
});

const answer = z.object({
  eval: z.string(),
  keep_evaluations: z.int(),
  points: z.array(point),
});

/** GET /projects/{org}/{project}/entry-point-metrics?eval=… */
export const getEntryPointMetricsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/entry-point-metrics",
    {
      config: { access: "optional" },
      schema: {
        summary:
          "Gives figures of one entry point in each completed evaluation that the project keeps, newest first.",
        description: "Sizes of closures are counted in the background, and null until then.",
        params: projectParams,
        querystring,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project } = await authority.readProject(request.caller, org, name);
      const { eval: attribute } = request.query;
      const limit = Math.min(project.keep_evaluations, MAX_POINTS);
      const points = await listEntryPointPoints(
        database.kysely,
        project,
        attributeJson(attribute),
        limit,
      );
      return ok({
        eval: attribute,
        keep_evaluations: project.keep_evaluations,
        points: points.map((each) => ({
          evaluation_id: each.evaluationId,
          build_id: each.buildId,
          created_at: toTimestamp(each.createdAt),
          build_status: readBuildStatus(each.state),
          build_time_ms:
            each.state !== "Completed" || each.startedAt === null || each.stoppedAt === null
              ? null
              : each.stoppedAt - each.startedAt,
          output_size_bytes: each.outputBytes,
          closure_size_bytes: each.closureBytes,
          runtime_closure_size_bytes: each.runtimeClosureBytes,
          dependencies_count: each.dependencies,
        })),
      });
    },
  );
};
