import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok } from "../../../envelope.ts";
import { startedTask } from "./task.ts";

const body = z
  .object({
    /** Has workers bring back what is damaged or missing, and takes the rest out of all caches, so that it is built again when it is needed. */
    repair: z.boolean().nullish(),
  })
  .nullish();

/** POST /admin/maintenance/fsck, with or without a body */
export const startCheckRoute: Route = (api, { maintenance }) => {
  api.post(
    "/admin/maintenance/fsck",
    {
      config: { access: "superuser" },
      schema: {
        summary:
          "Begins to read every stored NAR again and to compare it with what was verified; GET /admin/tasks/{task} tells what is wrong, and which worker has brought it back, or without repair could.",
        body,
        response: { 202: envelope(startedTask), 409: errorEnvelope },
      },
    },
    async ({ caller, body: request }, reply) => {
      const id = await maintenance.request({
        kind: "check",
        isRepair: request?.repair ?? false,
        requestedBy: signedIn(caller).user.id,
      });
      return reply.code(202).send(ok({ task_id: id }));
    },
  );
};
