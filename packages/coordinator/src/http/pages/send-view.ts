import type { FastifyReply, FastifyRequest } from "fastify";
import type { PageView } from "@gradient/web";
import type { PageFrame, Pages } from "./pages.ts";

declare module "fastify" {
  interface FastifyInstance {
    pages: Pages;
  }
}

/** Scripts, style and pictures from this server, no frames around it, forms go to this server alone. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Answers with a page. What it shows depends on who asks, so nobody keeps it for others. */
export async function sendView(
  reply: FastifyReply,
  view: PageView,
  { status = 200, cacheControl = "private, no-cache" } = {},
): Promise<FastifyReply> {
  const { request, server } = reply;
  const html = await server.pages.render(view, frameOf(request));
  return reply
    .code(status)
    .headers({
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "cache-control": cacheControl,
      "referrer-policy": "same-origin",
      "x-content-type-options": "nosniff",
    })
    .type("text/html; charset=utf-8")
    .send(html);
}

function frameOf(request: FastifyRequest): PageFrame {
  const url = new URL(request.url, "http://page");
  const token = url.searchParams.get("token");
  url.searchParams.delete("token");
  // An error may come before it is known who asks.
  const caller: FastifyRequest["caller"] | undefined = request.caller;
  const isKnown = caller?.kind === "signed-in" && caller.sessionId !== null && token === null;
  return {
    user: isKnown ? caller.user.username : null,
    token,
    path: url.pathname + url.search,
  };
}
