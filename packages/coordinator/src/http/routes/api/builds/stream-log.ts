import { z } from "zod";
import { followBuild } from "../../../../log-streams/follow-build.ts";
import { ndjsonAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { sendLogStream } from "../../../log-answer.ts";
import { callerNow } from "../../../plugins/access.ts";
import { buildParams } from "./build-params.ts";

/** POST /builds/{id}/log: what is appended from now on, as newline-delimited JSON strings. */
export const streamLogRoute: Route = (api, services) => {
  const { authenticator, authority, database, logs } = services;
  api.post(
    "/builds/:id/log",
    {
      config: { access: "required" },
      schema: {
        summary: "Streams what is appended to a build's log from now on.",
        params: buildParams,
        response: {
          200: ndjsonAnswer(
            "Pieces of the log as JSON strings; one empty string when there is none.",
            z.string(),
          ),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { build } = await authority.memberBuild(request.caller, id);
      return sendLogStream(reply, services, {
        check: async () => authority.memberBuild(await callerNow(request, authenticator), id),
        texts: (signal) => followBuild({ db: database.kysely, logs }, build.id, signal),
      });
    },
  );
};
