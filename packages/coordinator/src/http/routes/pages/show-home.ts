import { homePage } from "../../../pages/home-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** GET /: the projects. */
export const showHomeRoute: Route = (api, services) => {
  api.get("/", { schema: {} }, async (request, reply) =>
    sendView(reply, await homePage(services, request.caller)),
  );
};
