import { z } from "zod";
import { findLogAttempt } from "../../../../log-streams/log-attempt.ts";
import { searchLines, type LogQuery } from "../../../../logs/log-lines.ts";
import { sendLog } from "../../../../logs/send-log.ts";
import { ndjsonAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { buildParams } from "./build-params.ts";
import { logTexts } from "./log-texts.ts";

const querystring = z.object({
  q: z.string().min(1).max(1000),
  /** Whether case matters. */
  case: z.enum(["true", "false"]).default("false"),
});

const hit = z.object({
  /** From 1. */
  line_number: z.int(),
  chunk_index: z.int(),
  /** Where the line begins. */
  byte_offset: z.int(),
  preview: z.string(),
});
const done = z.object({ done: z.literal(true), total_matches: z.int() });

/** GET /builds/{id}/log/search: lines with a text, as newline-delimited JSON while the log is read. */
export const searchLogRoute: Route = (api, { authority, database, logs }) => {
  api.get(
    "/builds/:id/log/search",
    {
      config: { access: "optional" },
      schema: {
        summary: "Searches a build's log for lines with a text.",
        params: buildParams,
        querystring,
        response: {
          200: ndjsonAnswer(
            "A line for each hit, and a last one with their number.",
            z.union([hit, done]),
          ),
        },
      },
    },
    async (request, reply) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const { q: text, case: isCaseSensitive } = request.query;
      const texts = logTexts(logs, await findLogAttempt(database.kysely, build));
      const headers = { "content-type": "application/x-ndjson", "cache-control": "no-cache" };
      const query = { text, isCaseSensitive: isCaseSensitive === "true" };
      return sendLog(reply, headers, framesOf(texts, query));
    },
  );
};

async function* framesOf(
  texts: AsyncGenerator<string, void, undefined>,
  query: LogQuery,
): AsyncGenerator<string, void, undefined> {
  let total = 0;
  for await (const { line, chunk, offset, preview } of searchLines(texts, query)) {
    total += 1;
    const frame = { line_number: line, chunk_index: chunk, byte_offset: offset, preview };
    yield `${JSON.stringify(frame)}\n`;
  }
  yield `${JSON.stringify({ done: true, total_matches: total })}\n`;
}
