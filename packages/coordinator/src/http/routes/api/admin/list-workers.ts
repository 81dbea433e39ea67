import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { liveWorkerSchema, toLiveWorker } from "../orgs/live-worker.ts";

const worker = liveWorkerSchema.extend({
  id: z.string(),
  authorized_peers: z.array(z.uuid()).nullable(),
});

/** GET /admin/workers: all that are connected now. Every user may ask where the setting says so. */
export const listConnectedWorkersRoute: Route = (api, { config, workers }) => {
  api.get(
    "/admin/workers",
    {
      config: { access: config.globalStatsPublic ? "required" : "superuser" },
      schema: {
        summary: "Lists every connected worker.",
        response: { 200: envelope(z.array(worker)) },
      },
    },
    () =>
      ok(
        workers.live().map((each) => ({
          id: each.worker,
          ...toLiveWorker(each),
          authorized_peers: [...each.authorized],
        })),
      ),
  );
};
