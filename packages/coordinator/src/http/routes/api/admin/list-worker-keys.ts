import { z } from "zod";
import { listPendingKeys } from "../../../../db/key-change-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";

const pendingKey = z.object({
  worker_id: z.string(),
  /** The pinned one, in Nix's format. */
  public_key: z.string(),
  pending_public_key: z.string(),
  /** With the pinned key. */
  last_seen_at: timestamp,
});

/** GET /admin/workers/keys */
export const listWorkerKeysRoute: Route = (api, { database }) => {
  api.get(
    "/admin/workers/keys",
    {
      config: { access: "superuser" },
      schema: {
        summary: "Lists workers that are kept out because they came back with another signing key.",
        response: { 200: envelope(z.array(pendingKey)) },
      },
    },
    async () => {
      const keys = await listPendingKeys(database.kysely);
      return ok(
        keys.map(({ worker, key, pendingKey: pending, lastSeenAt }) => ({
          worker_id: worker,
          public_key: key,
          pending_public_key: pending,
          last_seen_at: toTimestamp(lastSeenAt),
        })),
      );
    },
  );
};
