import { usageRecordSchema } from "@gradient/protocol";
import { z } from "zod";
import { listOutputs, type BuildFacts } from "../../../../db/build-view.ts";
import { readJsonColumn } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";
import { buildStatus, readBuildStatus } from "./build-status.ts";

const build = z.object({
  id: z.uuid(),
  evaluation: z.uuid(),
  status: buildStatus,
  derivation_path: z.string(),
  architecture: z.string(),
  worker: z.string().nullable(),
  /** Store path by output name; an output whose path is only known once it is built is left out until then. */
  output: z.record(z.string(), z.string()),
  created_at: timestamp,
  updated_at: timestamp,
  /** Number of the last attempt; null when there was none. */
  attempt: z.int().nullable(),
  /** How the last attempt stands, in nixbuild.net's words. */
  attempt_status: z.string().nullable(),
  /** Number of the failed attempt because of which it was not built again for this evaluation; else null. */
  reused_attempt: z.int().nullable(),
  /** One sentence on why it failed. */
  status_message: z.string().nullable(),
  /** What the last attempt used. */
  usage: usageRecordSchema.nullable(),
  times: z.object({
    ready_at: timestamp.nullable(),
    assigned_at: timestamp.nullable(),
    started_at: timestamp.nullable(),
    stopped_at: timestamp.nullable(),
    stored_at: timestamp.nullable(),
  }),
});

/** GET /builds/{id} */
export const getBuildRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows a build with its outputs, times and what it used.",
        params: buildParams,
        response: { 200: envelope(build) },
      },
    },
    async (request) => {
      const access = await authority.readBuild(request.caller, request.params.id);
      const outputs = await listOutputs(database.kysely, access.build.derivation_id);
      return ok(toBuild(access.build, outputs));
    },
  );
};

function toBuild(
  row: BuildFacts,
  outputs: readonly { name: string; path: string | null }[],
): z.infer<typeof build> {
  return {
    id: row.id,
    evaluation: row.evaluation_id,
    status: readBuildStatus(row.state),
    derivation_path: row.drv_path,
    architecture: row.system,
    worker: row.worker_id,
    output: Object.fromEntries(
      outputs.flatMap(({ name, path }) => (path === null ? [] : [[name, path]])),
    ),
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
    attempt: row.attempt,
    attempt_status: row.attempt_status,
    reused_attempt: row.reused_attempt,
    status_message: row.message,
    usage: row.usage_json === null ? null : readJsonColumn(usageRecordSchema, row.usage_json),
    times: {
      ready_at: toTimestampOrNull(row.ready_at),
      assigned_at: toTimestampOrNull(row.assigned_at),
      started_at: toTimestampOrNull(row.started_at),
      stopped_at: toTimestampOrNull(row.stopped_at),
      stored_at: toTimestampOrNull(row.stored_at),
    },
  };
}
