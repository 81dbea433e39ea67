import { z } from "zod";
import { followEvaluation } from "../../../../log-streams/follow-evaluation.ts";
import { ndjsonAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { sendLogStream } from "../../../log-answer.ts";
import { callerNow } from "../../../plugins/access.ts";
import { evaluationParams } from "./evaluation-params.ts";

/** POST /evals/{id}/builds: logs of all its builds, as newline-delimited JSON strings. */
export const streamLogsRoute: Route = (api, services) => {
  const { authenticator, authority, database, evaluations, logs } = services;
  api.post(
    "/evals/:id/builds",
    {
      config: { access: "required" },
      schema: {
        summary: "Streams the logs of all builds of an evaluation.",
        params: evaluationParams,
        response: {
          200: ndjsonAnswer(
            "Pieces of the logs as JSON strings, each line behind `NAME> `; one empty string when there is none.",
            z.string(),
          ),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { evaluation } = await authority.memberEvaluation(request.caller, id);
      const attending = evaluations.attend(evaluation.id);
      reply.raw.once("close", () => attending[Symbol.dispose]());
      return sendLogStream(reply, services, {
        check: async () => authority.memberEvaluation(await callerNow(request, authenticator), id),
        texts: (signal) => followEvaluation({ db: database.kysely, logs }, evaluation.id, signal),
      });
    },
  );
};
