import { statusPage } from "../../../pages/status-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /status: what runs. */
export const showStatusRoute: Route = (api, services) => {
  api.get("/status", { schema: {} }, async (request, reply) =>
    sendView(reply, await statusPage(services, request.caller)),
  );
};
