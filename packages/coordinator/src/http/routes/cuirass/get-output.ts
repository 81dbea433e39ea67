import { findOutput, outputObject } from "../../../cuirass/find-output.ts";
import { missingThing } from "../../../cuirass/refusals.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { idParams } from "./parameters.ts";
import { sendJson } from "../../send-json.ts";

/** GET /output/HASH-NAME */
export const getOutputRoute: Route = (api, services) => {
  api.get(
    "/output/:id",
    {
      schema: {
        summary: "Shows what an output belongs to, by the base name of its path.",
        params: idParams,
        response: { 200: bareJsonAnswer("The output.", outputObject) },
      },
    },
    async ({ caller, params }, reply) => {
      const output = await findOutput(services, caller, params.id);
      if (output === null) throw missingThing("Output", params.id);
      return sendJson(reply, output);
    },
  );
};
