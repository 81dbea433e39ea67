import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { CoordinatorError } from "../errors.ts";
import type { Services } from "./api.ts";

/** How often it is looked whether the caller may still read. */
const CHECK_EVERY_MS = 15_000;

export interface GrowingAnswer {
  readonly headers: Readonly<Record<string, string>>;
  /** Decides again whether the caller may read it. Throws CoordinatorError when not: the answer ends there. */
  readonly check: () => Promise<unknown>;
  /** Gets a signal that aborts when the client goes away or may read no more, or the server stops. */
  readonly texts: (signal: AbortSignal) => AsyncIterable<string>;
}

/** Answers with texts as they come. A build may take hours, so whoever reads is asked for their right again all the while. */
export function sendGrowing(
  reply: FastifyReply,
  { clock, stopping }: Pick<Services, "clock" | "stopping">,
  { headers, check, texts }: GrowingAnswer,
): FastifyReply {
  const gone = new AbortController();
  reply.raw.socket?.setTimeout(0);
  const checkLater = (): Disposable =>
    clock.after(CHECK_EVERY_MS, () => {
      void check().then(
        () => {
          if (!gone.signal.aborted) timer = checkLater();
        },
        (error: unknown) => {
          if (!(error instanceof CoordinatorError)) {
            reply.log.error({ err: error }, "the right to read on could not be looked at");
          }
          gone.abort();
        },
      );
    });
  let timer = checkLater();
  reply.raw.once("close", () => {
    timer[Symbol.dispose]();
    gone.abort();
  });
  const signal = AbortSignal.any([gone.signal, stopping]);
  return reply
    .headers({ ...headers, "x-accel-buffering": "no" })
    .send(Readable.from(begun(reply, texts(signal), signal), { objectMode: false }));
}

async function* begun(
  reply: FastifyReply,
  texts: AsyncIterable<string>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // A client waits for these before it listens, and the first text may be hours away.
  reply.raw.flushHeaders();
  try {
    yield* texts;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
