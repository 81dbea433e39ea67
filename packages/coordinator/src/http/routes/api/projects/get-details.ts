import { z } from "zod";
import {
  countActiveBuilds,
  countByEvaluation,
  listProjectEvaluations,
} from "../../../../db/evaluation-view.ts";
import { findLastLook } from "../../../../db/trigger-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";
import { toBuildCounts } from "../builds/build-counts.ts";
import { evaluationSummary, toEvaluationSummary } from "../evals/evaluation-summary.ts";
import { abilities, projectParams } from "./project.ts";

const SHOWN_EVALUATIONS = 10;

const details = z.object({
  id: z.uuid(),
  name: z.string(),
  display_name: z.string(),
  description: z.string(),
  repository: z.string(),
  wildcard: z.string(),
  active: z.boolean(),
  created_at: timestamp,
  keep_evaluations: z.int(),
  /** When the repository was last looked at, by a trigger or a fetch. */
  last_check_at: timestamp.nullable(),
  /** Why the last look of a trigger failed. */
  last_check_error: z.string().nullable(),
  queue: z.object({ building: z.int(), queued: z.int() }),
  last_evaluations: z.array(evaluationSummary),
  can_edit: z.boolean(),
  can_trigger: z.boolean(),
  managed: z.boolean(),
});

/** GET /projects/{org}/{project}/details */
export const getProjectDetailsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/details",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows a project with its last evaluations.",
        params: projectParams,
        response: { 200: envelope(details) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project, mask } = await authority.readProject(request.caller, org, name);
      const db = database.kysely;
      const last = await listProjectEvaluations(db, project.id, SHOWN_EVALUATIONS);
      const counts = await countByEvaluation(
        db,
        last.map((evaluation) => evaluation.id),
      );
      const look = await findLastLook(db, project.id);
      const { building, queued } = toBuildCounts(await countActiveBuilds(db, project.id));
      return ok({
        id: project.id,
        name: project.name,
        display_name: project.display_name,
        description: project.description,
        repository: project.repository,
        wildcard: project.wildcard,
        active: project.active === 1,
        created_at: toTimestamp(project.created_at),
        keep_evaluations: project.keep_evaluations,
        last_check_at: toTimestampOrNull(
          latest(look?.checked_at ?? null, last[0]?.fetch_started_at ?? null),
        ),
        last_check_error: look?.error ?? null,
        queue: { building, queued },
        last_evaluations: last.map((row) => toEvaluationSummary(row, counts.get(row.id))),
        ...abilities(mask),
        managed: project.managed === 1,
      });
    },
  );
};

function latest(...times: (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.max(...known);
}
