import { buildObject } from "../../../nixbuild/build-object.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { buildNumberParams, readNumberedBuild } from "./build-number.ts";
import { sendJson } from "../../send-json.ts";

/** GET /builds/:id */
export const getBuildRoute: Route = (api, services) => {
  api.get(
    "/builds/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows a build.",
        params: buildNumberParams,
        response: { 200: bareJsonAnswer("The build.", buildObject) },
      },
    },
    async ({ caller, params }, reply) =>
      sendJson(reply, await readNumberedBuild(services, caller, params.id)),
  );
};
