import { z } from "zod";
import { findWithProducts } from "../../../../db/build-product-repository.ts";
import { findBuildFacts, listBuilds, type BuildItem } from "../../../../db/build-view.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route, Services } from "../../../api.ts";
import { longAnswer } from "../../../long-answer.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { buildStatus, readBuildStatus } from "../builds/build-status.ts";
import { buildTimeMs } from "../builds/build-time.ts";
import { evaluationParams } from "./evaluation-params.ts";

const querystring = z.object({
  limit: z.coerce.number().int().min(0).optional(),
  offset: z.coerce.number().int().min(0).default(0),
  /** A build of the evaluation: only it and what it depends on. */
  scope: z.uuid().optional(),
});

const buildItem = z.object({
  id: z.uuid(),
  name: z.string(),
  status: buildStatus,
  has_artefacts: z.boolean(),
  updated_at: timestamp,
  build_time_ms: z.number().nullable(),
  /** Measured, of the last attempt; null when unknown. */
  cpu_time_ms: z.number().nullable(),
  peak_memory_bytes: z.number().nullable(),
});

const answer = z.object({
  builds: z.array(buildItem),
  total: z.int(),
  active_count: z.int(),
});

/** GET /evals/{id}/builds */
export const listBuildsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id/builds",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Lists the builds of an evaluation.",
        params: evaluationParams,
        querystring,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { evaluation } = await authority.readEvaluation(request.caller, request.params.id);
      const { limit, offset, scope } = request.query;
      const { builds, total, activeCount } = await listBuilds(database.kysely, {
        evaluationId: evaluation.id,
        limit: limit ?? null,
        offset,
        scopeDerivationId:
          scope === undefined ? null : await scopeDerivation(database, evaluation.id, scope),
      });
      const withProducts = await findWithProducts(
        database.kysely,
        evaluation.organization_id,
        builds.map((build) => build.derivation_id),
      );
      const items = builds.map((row) => toItem(row, withProducts.has(row.derivation_id)));
      return ok({ builds: items, total, active_count: activeCount });
    },
  );
};

function toItem(row: BuildItem, hasArtefacts: boolean): z.infer<typeof buildItem> {
  return {
    id: row.id,
    name: row.drv_path,
    status: readBuildStatus(row.state),
    has_artefacts: hasArtefacts,
    updated_at: toTimestamp(row.updated_at),
    build_time_ms: buildTimeMs(row),
    cpu_time_ms: row.cpu_time_ms,
    peak_memory_bytes: row.memory_peak_bytes,
  };
}

async function scopeDerivation(
  database: Services["database"],
  evaluationId: string,
  buildId: string,
): Promise<number> {
  const build = await findBuildFacts(database.kysely, buildId);
  if (build?.evaluation_id === evaluationId) return build.derivation_id;
  throw new NotFoundError(`build ${buildId} does not exist in evaluation ${evaluationId}`);
}
