import { sendLog } from "../../../../logs/send-log.ts";
import type { Route } from "../../../api.ts";
import { textEnvelope } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";

/** GET /builds/{id}/log: the whole log of the last attempt; empty when there is none. */
export const getLogRoute: Route = (api, { authority, logs }) => {
  api.get(
    "/builds/:id/log",
    {
      config: { access: "optional" },
      schema: {
        summary: "Gives the whole log of a build's last attempt.",
        params: buildParams,
        response: { 200: textEnvelope },
      },
    },
    async (request, reply) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const texts = build.attempt === null ? [] : logs.text(build.attempt);
      const headers = { "content-type": "application/json; charset=utf-8" };
      return sendLog(reply, headers, envelopeOf(texts));
    },
  );
};

/** `{"error":false,"message":"..."}` in pieces: a log may be larger than what fits into memory. No piece ends inside a surrogate pair. */
async function* envelopeOf(
  texts: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<string, void, undefined> {
  let opening = '{"error":false,"message":"';
  for await (const text of texts) {
    yield opening + JSON.stringify(text).slice(1, -1);
    opening = "";
  }
  yield `${opening}"}`;
}
