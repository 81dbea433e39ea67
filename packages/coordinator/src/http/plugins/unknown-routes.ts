import type { Server } from "../api.ts";
import { errorBody } from "../errors.ts";
import { isCuirassPath, sendNoResource } from "../routes/cuirass/cuirass-errors.ts";
import { isNixbuildPath, nixbuildErrorBody } from "../routes/nixbuild/nixbuild-errors.ts";
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
