import { z } from "zod";
import { findKeysOfWorkers } from "../../../../db/key-change-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { liveWorkerSchema, toLiveWorker } from "../orgs/live-worker.ts";

const worker = liveWorkerSchema.extend({
  id: z.string(),
  authorized_peers: z.array(z.uuid()).nullable(),
  /** The pinned key, in Nix's format. */
  public_key: z.string().nullable(),
  /** Another one that the worker has shown: it is kept out until a superuser approves it. */
  pending_public_key: z.string().nullable(),
});

/** GET /admin/workers: all that are connected now. Every user may ask where the setting says so. */
export const listConnectedWorkersRoute: Route = (api, { config, database, workers }) => {
  api.get(
    "/admin/workers",
    {
      config: { access: config.globalStatsPublic ? "required" : "superuser" },
      schema: {
        summary: "Lists every connected worker.",
        response: { 200: envelope(z.array(worker)) },
      },
    },
    async () => {
      const live = workers.live();
      const ids = live.map(({ worker: id }) => id);
      const keys = await findKeysOfWorkers(database.kysely, ids);
      return ok(
        live.map((each) => ({
          id: each.worker,
          ...toLiveWorker(each),
          authorized_peers: [...each.authorized],
          public_key: keys.get(each.worker)?.key ?? null,
          pending_public_key: keys.get(each.worker)?.pendingKey ?? null,
        })),
      );
    },
  );
};
