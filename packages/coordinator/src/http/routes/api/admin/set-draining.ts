import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

/** POST /admin/draining */
export const setDrainingRoute: Route = (api, { setDraining }) => {
  api.post(
    "/admin/draining",
    {
      config: { access: "superuser" },
      schema: {
        summary: "Stops giving out work, so that the server can be stopped, or begins again.",
        description:
          "What runs goes on to its end; every other evaluation waits, with the reason `draining`. A start of the server forgets it.",
        body: z.object({ enabled: z.boolean() }),
        response: { 200: envelope(z.object({ draining: z.boolean() })) },
      },
    },
    async ({ body: { enabled } }) => {
      await setDraining(enabled);
      return ok({ draining: enabled });
    },
  );
};
