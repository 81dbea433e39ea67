import { z } from "zod";
import { findLogAttempt } from "../../../../log-streams/log-attempt.ts";
import { indexLog } from "../../../../logs/log-chunks.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";
import { logTexts } from "./log-texts.ts";

const index = z.object({
  total_chunks: z.int(),
  total_lines: z.int(),
  total_bytes: z.int(),
  chunks: z.array(
    z.object({
      index: z.int(),
      /** Number of the chunk's first line, from 0. */
      line_start: z.int(),
      line_count: z.int(),
      byte_start: z.int(),
      byte_len: z.int(),
    }),
  ),
});

/** GET /builds/{id}/log/chunks: the pieces that a long log can be read in. Those of a log that grows stay as they are, but for the last. */
export const listLogChunksRoute: Route = (api, { authority, database, logs }) => {
  api.get(
    "/builds/:id/log/chunks",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the chunks of a build's log.",
        params: buildParams,
        response: { 200: envelope(index) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const attempt = await findLogAttempt(database.kysely, build);
      const { chunks, lines, bytes } = await indexLog(logTexts(logs, attempt));
      return ok({
        total_chunks: chunks.length,
        total_lines: lines,
        total_bytes: bytes,
        chunks: chunks.map((chunk) => ({
          index: chunk.index,
          line_start: chunk.lineStart,
          line_count: chunk.lineCount,
          byte_start: chunk.byteStart,
          byte_len: chunk.byteLength,
        })),
      });
    },
  );
};
