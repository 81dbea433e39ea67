import { findBuildLog } from "../../../cuirass/build-log.ts";
import { missingThing } from "../../../cuirass/refusals.ts";
import { visibleBuild } from "../../../cuirass/visible-projects.ts";
import { textAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { sendNoResource } from "./cuirass-errors.ts";
import { idParams } from "./parameters.ts";
import { sendLog } from "./send-log.ts";

/** GET /build/ID/log/raw: what is there of the log now. */
export const getBuildLogRoute: Route = (api, services) => {
  const { database, logs } = services;
  api.get(
    "/build/:id/log/raw",
    {
      schema: {
        summary: "Gives the log of a build.",
        params: idParams,
        response: { 200: textAnswer("The log.") },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const row = await visibleBuild(services, request.caller, id);
      if (row === null) throw missingThing("Build", id);
      const attempt = await findBuildLog(database.kysely, row);
      if (attempt === null) return sendNoResource(request, reply);
      return sendLog(reply, logs.text(attempt));
    },
  );
};
