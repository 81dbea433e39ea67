import { workersPage } from "../../../pages/workers-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /workers: machines of the caller's organizations. */
export const showWorkersRoute: Route = (api, services) => {
  api.get("/workers", { schema: {} }, async (request, reply) =>
    sendView(reply, await workersPage(services, request.caller)),
  );
};
