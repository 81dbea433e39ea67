import { organizationIdSchema } from "@gradient/protocol";
import { z } from "zod";
import { testWorker } from "../../../../workers/test-worker.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { workerParams } from "./worker-params.ts";

const answer = z.object({
  /** It answers, and gets work of this organization. */
  ok: z.boolean(),
  connected: z.boolean(),
  authorized_for_organization: z.boolean(),
  round_trip_ms: z.int().nullable(),
  message: z.string(),
});

/** POST /orgs/{org}/workers/{worker_id}/test */
export const testWorkerRoute: Route = (api, { authority, database, workers }) => {
  api.post(
    "/orgs/:org/workers/:worker_id/test",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Asks a worker for a sign of life and tells whether it works for the organization.",
        params: workerParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { org, worker_id: workerId } = request.params;
      const { organization } = await authority.organization(request.caller, org, "manageWorkers");
      const result = await testWorker(
        { db: database.kysely, workers },
        { organization: organizationIdSchema.parse(organization.id), workerId },
      );
      return ok({
        ok: result.message === null,
        connected: result.isConnected,
        authorized_for_organization: result.isAuthorized,
        round_trip_ms: result.roundTripMs,
        message: result.message ?? "the worker answers and works for this organization",
      });
    },
  );
};
