import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok } from "../../../envelope.ts";
import { startedTask } from "./task.ts";

const body = z
  .object({
    /** Of one cache by its name; of all when it is absent. */
    cache: z.string().nullish(),
    /** Finds out what would go, and removes nothing. */
    dry_run: z.boolean().nullish(),
  })
  .nullish();

/** POST /admin/maintenance/deep-gc, with or without a body */
export const startCollectionRoute: Route = (api, { authority, maintenance }) => {
  api.post(
    "/admin/maintenance/deep-gc",
    {
      config: { access: "superuser" },
      schema: {
        summary:
          "Begins a garbage collection of one cache or of all, or finds out what would go; GET /admin/tasks/{task} tells how far it is.",
        body,
        response: { 202: envelope(startedTask), 409: errorEnvelope },
      },
    },
    async ({ caller, body: request }, reply) => {
      const name = request?.cache ?? null;
      const cacheId = name === null ? null : (await authority.anyCache(caller, name)).id;
      const id = await maintenance.request({
        kind: "collection",
        cacheId,
        isDryRun: request?.dry_run ?? false,
        requestedBy: signedIn(caller).user.id,
      });
      return reply.code(202).send(ok({ task_id: id }));
    },
  );
};
