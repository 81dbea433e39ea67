import { organizationIdSchema } from "@gradient/protocol";
import { z } from "zod";
import { listRegistrations } from "../../../../db/registration-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { liveWorkerSchema, toLiveWorker } from "./live-worker.ts";
import { organizationParams } from "./organization.ts";

const worker = z.object({
  worker_id: z.string(),
  display_name: z.string(),
  registered_at: timestamp,
  active: z.boolean(),
  url: z.string().nullable(),
  created_by: z.uuid().nullable(),
  enable_fetch: z.boolean(),
  enable_eval: z.boolean(),
  enable_build: z.boolean(),
  is_base: z.boolean(),
  live: liveWorkerSchema.nullable(),
});

/** GET /orgs/{org}/workers: `live` only of workers that are connected for this organization. */
export const listWorkersRoute: Route = (api, { authority, database, workers }) => {
  api.get(
    "/orgs/:org/workers",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the registered workers; `live` is null for those that are not connected.",
        params: organizationParams,
        response: { 200: envelope(z.array(worker)) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(caller, params.org, "manageWorkers");
      const organizationId = organizationIdSchema.parse(organization.id);
      const connected = workers.live().filter((each) => each.authorized.has(organizationId));
      const liveById = new Map(connected.map((each) => [String(each.worker), toLiveWorker(each)]));
      const registrations = await listRegistrations(database.kysely, organization.id);
      return ok(
        registrations.map((row) => ({
          worker_id: row.worker_id,
          display_name: row.display_name,
          registered_at: toTimestamp(row.registered_at),
          active: row.active === 1,
          url: row.url,
          created_by: row.created_by,
          enable_fetch: row.enable_fetch === 1,
          enable_eval: row.enable_eval === 1,
          enable_build: row.enable_build === 1,
          is_base: false,
          live: liveById.get(row.worker_id) ?? null,
        })),
      );
    },
  );
};
