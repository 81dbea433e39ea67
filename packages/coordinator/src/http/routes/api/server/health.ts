import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

/** GET /health */
export const healthRoute: Route = (api) => {
  api.get(
    "/health",
    {
      config: { access: "none" },
      schema: { summary: "Says that the server is alive.", response: { 200: textEnvelope } },
    },
    () => ok("200 ALIVE"),
  );
};
