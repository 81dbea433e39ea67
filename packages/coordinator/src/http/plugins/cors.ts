import type { FastifyReply, FastifyRequest } from "fastify";
import type { Server } from "../api.ts";

const HEADERS = "Authorization, Accept, Content-Type";
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const PREFLIGHT_SECONDS = "600";

declare module "fastify" {
  interface FastifyRequest {
    /** Origin of the page that makes this request when it is none that may use its user's cookie; else null. */
    foreignOrigin: string | null;
  }
}

/** Lets pages of the given origins call the API with credentials, as Gradient's pages do when they are served from elsewhere. */
export function addCors(app: Server, urls: readonly string[]): void {
  const origins = new Set(urls.map((url) => new URL(url).origin));
  app.decorateRequest("foreignOrigin", null);
  app.addHook("onRequest", async (request, reply) => {
    request.foreignOrigin = foreignOriginOf(request, origins);
    if (!request.url.startsWith("/api/v1/")) return;
    reply.header("vary", "Origin");
    const origin = request.headers.origin;
    if (origin === undefined || !origins.has(origin)) return;
    reply.header("access-control-allow-origin", origin);
    reply.header("access-control-allow-credentials", "true");
    reply.header("access-control-expose-headers", "x-request-id, retry-after");
  });
}

/** A page that this server itself gave is not foreign, by whatever name it is reached. */
function foreignOriginOf(request: FastifyRequest, known: ReadonlySet<string>): string | null {
  const { origin, host } = request.headers;
  if (origin === undefined || known.has(origin)) return null;
  return URL.canParse(origin) && new URL(origin).host === host ? null : origin;
}

/** Answers OPTIONS on a path that is known: what it takes, and what a page of another origin may send. */
export function answerOptions(
  request: FastifyRequest,
  reply: FastifyReply,
  allowed: readonly string[],
): FastifyReply {
  if (request.headers["access-control-request-method"] !== undefined) {
    reply.header("access-control-allow-methods", METHODS);
    reply.header("access-control-allow-headers", HEADERS);
    reply.header("access-control-max-age", PREFLIGHT_SECONDS);
  }
  return reply
    .code(204)
    .header("allow", [...allowed, "OPTIONS"].join(", "))
    .send();
}
