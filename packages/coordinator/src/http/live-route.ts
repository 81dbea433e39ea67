import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { anonymous, type Caller } from "../auth/caller.ts";
import { BadRequestError } from "../errors.ts";
import type { LiveScope } from "../live/frames.ts";
import { webSocketAnswer } from "./answer-schemas.ts";
import type { Services } from "./api.ts";
import { errorEnvelope } from "./envelope.ts";
import type { LiveSockets } from "./live-sockets.ts";
import { tokenOf } from "./plugins/access.ts";
import { handshakeFault, takeUpgrade } from "./upgrades.ts";

declare module "fastify" {
  interface FastifyInstance {
    live: LiveSockets;
  }
}

/** A browser cannot send a header along: the token of a session or an API key may stand in the address. */
export const liveQuery = z.object({ token: z.string().optional() });

/** For `response` of routes that tell what changes. */
export const liveAnswers = {
  101: webSocketAnswer(
    'Frames are JSON objects with a `type`: "evaluation_status_changed" (project, evaluation_id, status), "build_status_changed" (evaluation_id, build_id, status) and "evaluation_progress" (project, evaluation_id); a status is the number of its word. Closed with 1008 when the caller may not see it any more, with 1013 when frames are not read.',
  ),
  401: errorEnvelope,
  503: errorEnvelope,
};

/**
 * Answers a request for live frames. `read` decides whether a caller may see the scope, as for the page itself, and is asked again while the
 * socket is open. Throws what it throws, and BadRequestError for a request that is no WebSocket's.
 */
export async function answerLive(
  { authenticator }: Pick<Services, "authenticator">,
  live: LiveSockets,
  request: FastifyRequest<{ Querystring: z.infer<typeof liveQuery> }>,
  reply: FastifyReply,
  read: (caller: Caller) => Promise<LiveScope>,
): Promise<void> {
  const token = tokenOfLive(request);
  const { ip: address } = request;
  const callerNow = async (): Promise<Caller> =>
    token === null ? anonymous : authenticator.authenticate({ token, address });
  // The first time as for every request: bad credentials in a header or cookie count as none.
  const caller = request.query.token === undefined ? request.caller : await callerNow();
  const isAnonymous = caller.kind === "anonymous";
  const scope = await read(caller);
  const check = async () => void (await read(isAnonymous ? anonymous : await callerNow()));
  await live.open({ scope, check }, () => {
    const fault = handshakeFault(request.raw);
    if (fault !== null) throw fault;
    const upgrade = takeUpgrade(request.raw);
    if (upgrade === null) throw new BadRequestError("connect to this address with a WebSocket");
    reply.hijack();
    return upgrade;
  });
}

function tokenOfLive(request: FastifyRequest<{ Querystring: z.infer<typeof liveQuery> }>) {
  if (request.query.token !== undefined) return request.query.token;
  return request.caller.kind === "anonymous" ? null : tokenOf(request);
}
