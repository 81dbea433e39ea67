import { buildObject } from "../../../cuirass/build-object.ts";
import { describeBuilds } from "../../../cuirass/describe-builds.ts";
import { missingThing } from "../../../cuirass/refusals.ts";
import { visibleBuild } from "../../../cuirass/visible-projects.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { idParams } from "./parameters.ts";
import { sendJsonText } from "../../send-json.ts";

/** GET /build/ID and /build/HASH-NAME.drv: JSON, whatever is accepted. */
export const getBuildRoute: Route = (api, services) => {
  api.get(
    "/build/:id",
    {
      schema: {
        summary: "Shows a build by its number, or by the base name of its derivation.",
        params: idParams,
        response: { 200: bareJsonAnswer("The build.", buildObject) },
      },
    },
    async ({ caller, params }, reply) => {
      const row = await visibleBuild(services, caller, params.id);
      if (row === null) throw missingThing("Build", params.id);
      const builds = await describeBuilds(services, [row.number]);
      return sendJsonText(reply, builds.slice(1, -1));
    },
  );
};
