import type { FastifyReply, FastifyRequest } from "fastify";
import { NotFoundError } from "../../errors.ts";
import type { Server } from "../api.ts";
import { errorBody, handleError } from "../errors.ts";
import { sendErrorPage } from "../pages/error-page.ts";
import { REQUEST_ID_HEADER } from "../request-ids.ts";
import { isCuirassPath, sendNoResource } from "../routes/cuirass/cuirass-errors.ts";
import {
  isNixbuildPath,
  nixbuildErrorBody,
  sendNixbuildError,
} from "../routes/nixbuild/nixbuild-errors.ts";
import { answerOptions } from "./cors.ts";

interface KnownRoute {
  segments: string[];
  methods: string[];
}

/** Answers what no route takes: 405 with Allow when the path has other methods, else 404. To be called before the first route. */
export function addUnknownRoutes(app: Server, nixbuildPrefix: string | null): void {
  const known: KnownRoute[] = [];
  const bodyOf = (path: string, code: string, message: string) =>
    isNixbuildPath(path, nixbuildPrefix)
      ? nixbuildErrorBody(message)
      : errorBody({ code, message });
  app.addHook("onRoute", (route) => {
    known.push({ segments: route.url.split("/"), methods: [route.method].flat() });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    if (isForBrowser(request, path)) {
      return sendErrorPage(new NotFoundError(`there is no page ${path}`), request, reply);
    }
    if (isCuirassPath(path)) return sendNoResource(request, reply);
    const allowed = allowedMethods(known, path.split("/"));
    if (allowed.length === 0) {
      const message = `there is no ${request.method} ${path}`;
      return reply.code(404).send(bodyOf(path, "not_found", message));
    }
    if (request.method === "OPTIONS") return answerOptions(request, reply, allowed);
    const message = `${path} takes ${allowed.join(", ")}, not ${request.method}`;
    return reply
      .code(405)
      .header("allow", allowed.join(", "))
      .send(bodyOf(path, "method_not_allowed", message));
  });
}

/** An address that cannot be decoded reaches no route: it is refused in the shape of the API that lies there. */
export function refuseUndecodable(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  nixbuildPrefix: string | null,
): FastifyReply {
  const path = request.url.split("?", 1)[0] ?? "";
  if (isNixbuildPath(path, nixbuildPrefix)) return sendNixbuildError(error, request, reply);
  if (!isCuirassPath(path)) return handleError(error, request, reply);
  return sendNoResource(request, reply.header(REQUEST_ID_HEADER, request.id));
}

/** First words of paths that only programs ask for. */
const OF_PROGRAMS = new Set(["api", "cache", "proto", "builds", "usage", "metrics", "static"]);

/** Whether somebody sits in front of the answer: browsers name HTML among what they take, programs take anything. */
function isForBrowser({ method, headers }: FastifyRequest, path: string): boolean {
  const isRead = method === "GET" || method === "HEAD";
  const takesPages = headers.accept?.includes("text/html") ?? false;
  return isRead && takesPages && !OF_PROGRAMS.has(path.split("/")[1] ?? "");
}

function allowedMethods(known: readonly KnownRoute[], path: readonly string[]): string[] {
  const methods = known
    .filter((route) => matches(route.segments, path))
    .flatMap((route) => route.methods);
  return [...new Set(methods)].sort();
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((segment, at) => segment.startsWith(":") || segment === path[at])
  );
}
