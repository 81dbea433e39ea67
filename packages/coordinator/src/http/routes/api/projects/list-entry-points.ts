import { z } from "zod";
import { findWithProducts } from "../../../../db/build-product-repository.ts";
import { findEvaluationFacts, listEntryPoints } from "../../../../db/evaluation-view.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route, Services } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { buildCounts } from "../builds/build-counts.ts";
import { buildStatus, readBuildStatus } from "../builds/build-status.ts";
import { buildTimeMs } from "../builds/build-time.ts";
import { attributeText } from "../evals/attribute-text.ts";
import { countDependencies } from "../../../../db/build-view.ts";
import { toBuildCounts } from "../builds/build-counts.ts";
import { projectParams } from "./project.ts";

const querystring = z.object({ evaluation_id: z.uuid().optional() });

const entryPoint = z.object({
  id: z.uuid(),
  build_id: z.uuid(),
  name: z.string(),
  derivation_path: z.string(),
  eval: z.string(),
  build_status: buildStatus,
  has_artefacts: z.boolean(),
  architecture: z.string(),
  build_time_ms: z.int().nullable(),
  deps: buildCounts,
  deps_total: z.int().nullable(),
  created_at: timestamp,
});

/** GET /projects/{org}/{project}/entry-points: of one evaluation, by default the last. */
export const listEntryPointsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/entry-points",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the root builds of an evaluation, by default of the last.",
        params: projectParams,
        querystring,
        response: { 200: envelope(z.array(entryPoint)) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project } = await authority.readProject(request.caller, org, name);
      const asked = request.query.evaluation_id;
      if (asked !== undefined) await checkOfProject(database, asked, project.id);
      const evaluationId = asked ?? project.last_evaluation;
      if (evaluationId === null) return ok([]);
      const rows = await listEntryPoints(database.kysely, evaluationId);
      const derivations = rows.map((row) => row.derivation_id);
      const dependencies = await countDependencies(database.kysely, evaluationId, derivations);
      const withProducts = await findWithProducts(
        database.kysely,
        project.organization_id,
        derivations,
      );
      return ok(
        rows.map((row) => {
          const deps = toBuildCounts(dependencies.get(row.derivation_id) ?? new Map());
          return {
            id: row.id,
            build_id: row.id,
            name: row.name,
            derivation_path: row.drv_path,
            eval: attributeText(row.attribute_json),
            build_status: readBuildStatus(row.state),
            has_artefacts: withProducts.has(row.derivation_id),
            architecture: row.system,
            build_time_ms: buildTimeMs(row),
            deps,
            deps_total: Object.values(deps).reduce((sum, count) => sum + count, 0),
            created_at: toTimestamp(row.created_at),
          };
        }),
      );
    },
  );
};

async function checkOfProject(
  database: Services["database"],
  evaluationId: string,
  projectId: string,
): Promise<void> {
  const evaluation = await findEvaluationFacts(database.kysely, evaluationId);
  if (evaluation?.project_id === projectId) return;
  throw new NotFoundError(`evaluation ${evaluationId} does not exist in this project`);
}
