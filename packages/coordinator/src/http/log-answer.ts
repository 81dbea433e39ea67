import type { FastifyReply } from "fastify";
import { piecesOf } from "../log-streams/log-text.ts";
import type { Services } from "./api.ts";
import { sendGrowing, type GrowingAnswer } from "./growing-answer.ts";

const HEADERS = { "content-type": "application/x-ndjson", "cache-control": "no-cache" };

/** Answers with a stream of texts as newline-delimited JSON strings. A stream without any text has one empty string. */
export function sendLogStream(
  reply: FastifyReply,
  services: Pick<Services, "clock" | "stopping">,
  { check, texts }: Omit<GrowingAnswer, "headers">,
): FastifyReply {
  return sendGrowing(reply, services, {
    headers: HEADERS,
    check,
    texts: (signal) => framesOf(texts(signal)),
  });
}

async function* framesOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const text of texts) {
    for (const piece of piecesOf(text)) {
      isEmpty = false;
      yield `${JSON.stringify(piece)}\n`;
    }
  }
  if (isEmpty) yield '""\n';
}
