import { usageRecordSchema } from "@gradient/protocol";
import { z } from "zod";
import { listAttempts } from "../../../../db/build-view.ts";
import { readJsonColumn } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";

const attempt = z.object({
  number: z.int(),
  /** In nixbuild.net's words. */
  status: z.string(),
  message: z.string().nullable(),
  worker: z.string().nullable(),
  created_at: timestamp,
  assigned_at: timestamp.nullable(),
  started_at: timestamp.nullable(),
  stopped_at: timestamp.nullable(),
  stored_at: timestamp.nullable(),
  /** Number of the attempt that this one was made after. */
  restart_of: z.int().nullable(),
  usage: usageRecordSchema.nullable(),
});

/** GET /builds/{id}/attempts: every execution with all that it used, the newest first. An extension of ours. */
export const listAttemptsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/attempts",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists every execution of a build with what it used, the newest first.",
        params: buildParams,
        response: { 200: envelope(z.array(attempt)) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const rows = await listAttempts(database.kysely, build.build_id);
      return ok(
        rows.map((row) => ({
          number: row.number,
          status: row.status,
          message: row.message,
          worker: row.worker_id,
          created_at: toTimestamp(row.created_at),
          assigned_at: toTimestampOrNull(row.assigned_at),
          started_at: toTimestampOrNull(row.started_at),
          stopped_at: toTimestampOrNull(row.stopped_at),
          stored_at: toTimestampOrNull(row.stored_at),
          restart_of: row.restart_of,
          usage: row.usage_json === null ? null : readJsonColumn(usageRecordSchema, row.usage_json),
        })),
      );
    },
  );
};
