import { metricsPage } from "../../../pages/metrics-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /status/metrics: how the farm does. */
export const showMetricsRoute: Route = (api, services) => {
  api.get("/status/metrics", { schema: {} }, async (request, reply) =>
    sendView(reply, await metricsPage(services, request.caller)),
  );
};
