import { z } from "zod";
import { logPage } from "../../../pages/log-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /build/:id/log: a build's log in its phases. */
export const showLogPageRoute: Route = (api, services) => {
  api.get(
    "/build/:id/log",
    { schema: { params: z.object({ id: z.string() }) } },
    async ({ caller, params }, reply) =>
      sendView(reply, await logPage(services, caller, params.id)),
  );
};
