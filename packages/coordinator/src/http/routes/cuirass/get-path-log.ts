import { findBuildLog } from "../../../cuirass/build-log.ts";
import { visibleBuildOfPath } from "../../../cuirass/visible-projects.ts";
import { textAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { sendNoResource } from "./cuirass-errors.ts";
import { idParams } from "./parameters.ts";
import { sendLog } from "./send-log.ts";

/** GET /log/HASH-NAME: the log behind an output or a derivation, as `guix build --log-file` asks for it. */
export const getPathLogRoute: Route = (api, services) => {
  const { database, logs } = services;
  api.get(
    "/log/:id",
    {
      schema: {
        summary: "Gives the log of what made a path.",
        params: idParams,
        response: { 200: textAnswer("The log.") },
      },
    },
    async (request, reply) => {
      const row = await visibleBuildOfPath(services, request.caller, request.params.id);
      const attempt = row === null ? null : await findBuildLog(database.kysely, row);
      if (attempt === null) return sendNoResource(request, reply);
      return sendLog(reply, logs.text(attempt));
    },
  );
};
