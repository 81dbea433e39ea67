import { z } from "zod";
import { NotFoundError } from "../../../../errors.ts";
import { findLogAttempt } from "../../../../log-streams/log-attempt.ts";
import { chunkText } from "../../../../logs/log-chunks.ts";
import { sendLog } from "../../../../logs/send-log.ts";
import { textAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { logTexts } from "./log-texts.ts";

const params = z.object({ id: z.uuid(), index: z.coerce.number().int().min(0) });

/** GET /builds/{id}/log/chunk/{index}: the text of one chunk. */
export const getLogChunkRoute: Route = (api, { authority, database, logs }) => {
  api.get(
    "/builds/:id/log/chunk/:index",
    {
      config: { access: "optional" },
      schema: {
        summary: "Gives one chunk of a build's log.",
        params,
        response: { 200: textAnswer("The chunk's text.") },
      },
    },
    async (request, reply) => {
      const { id, index } = request.params;
      const { build } = await authority.readBuild(request.caller, id);
      const texts = logTexts(logs, await findLogAttempt(database.kysely, build));
      const headers = { "content-type": "text/plain; charset=utf-8" };
      const chunk = existing(chunkText(texts, index), id, index);
      if (request.method === "HEAD") {
        // Nothing is read for the answer to HEAD, and whether there is a chunk would not be found out.
        await chunk.next();
        await chunk.return();
      }
      return sendLog(reply, headers, chunk);
    },
  );
};

/** The same texts. Throws NotFoundError when there is none. */
async function* existing(
  texts: AsyncGenerator<string, void, undefined>,
  id: string,
  index: number,
): AsyncGenerator<string, void, undefined> {
  let isThere = false;
  for await (const text of texts) {
    isThere = true;
    yield text;
  }
  if (!isThere) throw new NotFoundError(`the log of build ${id} has no chunk ${index}`);
}
