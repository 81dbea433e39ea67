import { z } from "zod";
import { machinePage } from "../../../pages/workers-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /machine/:id: a worker, what it runs and what it did. */
export const showMachineRoute: Route = (api, services) => {
  api.get(
    "/machine/:id",
    { schema: { params: z.object({ id: z.string() }) } },
    async ({ caller, params }, reply) =>
      sendView(reply, await machinePage(services, caller, params.id)),
  );
};
