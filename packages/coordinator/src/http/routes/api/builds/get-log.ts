import { z } from "zod";
import { findLogAttempt } from "../../../../log-streams/log-attempt.ts";
import { piecesOf } from "../../../../log-streams/log-text.ts";
import { sendLog } from "../../../../logs/send-log.ts";
import type { Route } from "../../../api.ts";
import { textEnvelope } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";
import { logTexts } from "./log-texts.ts";

const answer = {
  description:
    "The log. To Gradient's command line, which reads no envelope here, as JSON strings.",
  content: {
    "application/json": { schema: textEnvelope },
    "application/x-ndjson": { schema: z.string() },
  },
};

/** GET /builds/{id}/log: the whole log; of a build that was not built now, that of the attempt that made its outputs. Empty when there is none. */
export const getLogRoute: Route = (api, { authority, database, logs }) => {
  api.get(
    "/builds/:id/log",
    {
      config: { access: "optional" },
      schema: {
        summary: "Gives the whole log of a build.",
        params: buildParams,
        response: { 200: answer },
      },
    },
    async (request, reply) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const texts = logTexts(logs, await findLogAttempt(database.kysely, build));
      if (isCommandLine(request.headers["user-agent"])) {
        return sendLog(reply, { "content-type": "application/x-ndjson" }, stringsOf(texts));
      }
      const headers = { "content-type": "application/json; charset=utf-8" };
      return sendLog(reply, headers, envelopeOf(texts));
    },
  );
};

/** `{"error":false,"message":"..."}` in pieces: a log may be larger than what fits into memory. No piece ends inside a surrogate pair. */
async function* envelopeOf(texts: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let opening = '{"error":false,"message":"';
  for await (const text of texts) {
    yield opening + JSON.stringify(text).slice(1, -1);
    opening = "";
  }
  yield `${opening}"}`;
}

/** Gradient's command line reads this one answer as newline-delimited JSON strings, and sends nothing else to be told by. */
function isCommandLine(userAgent: string | undefined): boolean {
  return userAgent?.startsWith("gradient-cli/") ?? false;
}

async function* stringsOf(texts: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  for await (const text of texts) {
    for (const piece of piecesOf(text)) yield `${JSON.stringify(piece)}\n`;
  }
}
