import { z } from "zod";
import { workerHistory } from "../../../../workers/worker-history.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { workerParams } from "./worker-params.ts";

const answer = z.object({
  /** Attempts that the worker was given, of the newest that are looked at. */
  jobs_dispatched: z.int(),
  /** One for each hour, the oldest first. */
  samples: z.array(
    z.object({
      at: timestamp,
      /** Builds at the same time, on average. */
      assigned_jobs: z.number(),
      ended: z.int(),
      built: z.int(),
    }),
  ),
});

/** GET /orgs/{org}/workers/{worker_id}/metrics */
export const getWorkerMetricsRoute: Route = (api, { authority, database, clock }) => {
  api.get(
    "/orgs/:org/workers/:worker_id/metrics",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows what a worker did for the organization in the last two days.",
        params: workerParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { org, worker_id: workerId } = request.params;
      const { organization } = await authority.organization(request.caller, org, "manageWorkers");
      const key = { organizationId: organization.id, workerId };
      const { jobsDispatched, hours } = await workerHistory(database.kysely, key, clock.now());
      return ok({
        jobs_dispatched: jobsDispatched,
        samples: hours.map(({ at, assignedJobs, ended, built }) => ({
          at: toTimestamp(at),
          assigned_jobs: assignedJobs,
          ended,
          built,
        })),
      });
    },
  );
};
