import { z } from "zod";
import { buildPage } from "../../../pages/build-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";
import { sendEither } from "./asks-for-page.ts";

/** GET /build/:id/details: everything about a build. */
export const showBuildPageRoute: Route = (api, services) => {
  api.get(
    "/build/:id/details",
    {
      errorHandler: (error, request, reply) => sendEither(error, request, reply),
      schema: { params: z.object({ id: z.string() }) },
    },
    async ({ caller, params }, reply) =>
      sendView(reply, await buildPage(services, caller, params.id)),
  );
};
