import type { FastifyRequest } from "fastify";
import type { Caller } from "../auth/caller.ts";
import type { Actor } from "../accounts/audit.ts";

/** User agents are shown to people, and kept: longer ones are cut. */
const MAX_USER_AGENT = 256;

/** Who makes this request and from where, for the audit trail. */
export function actorOf(request: FastifyRequest): Actor {
  return actorBy(request.caller, request);
}

/** The same where requests do not carry their caller. */
export function actorBy(caller: Caller, request: FastifyRequest): Actor {
  return {
    userId: caller.kind === "signed-in" ? caller.user.id : null,
    apiKeyId: caller.kind === "signed-in" ? (caller.key?.id ?? null) : null,
    ip: request.ip,
    userAgent: request.headers["user-agent"]?.slice(0, MAX_USER_AGENT) ?? null,
  };
}
