import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { formatNarInfo } from "@gradient/protocol";
import { narInfoOf } from "../../../caches/narinfo-of.ts";
import { findUpstreamInfo } from "../../../caches/shown-paths.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SurfaceCache } from "../../../db/cache-surface-view.ts";
import { isJsonWanted, isNotModified } from "./answers.ts";
import { readableCache } from "./cache-access.ts";
import type { CacheRoute, Services } from "../../api.ts";
import {
  NARINFO_HEADERS,
  narinfoJson,
  narinfoTag,
  narinfoText,
  noSuchPath,
} from "./narinfo-text.ts";

const FILE = /^(?<hash>[0-9a-df-np-sv-z]{32})\.narinfo$/;

/** GET /cache/{cache}/{hash}.narinfo[?json], the long way; narinfo-lane.ts is the short one. */
export const narinfo: CacheRoute = (app, services) => {
  const { surface, lastUse } = services;
  app.get<{ Params: { cache: string; file: string } }>("/:cache/:file", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const hash = FILE.exec(request.params.file)?.groups?.["hash"];
    if (hash === undefined) {
      throw new BadRequestError(
        `"${request.params.file}" is not <hash>.narinfo with 32 characters of Nix base 32`,
      );
    }
    const path = surface.findPath(cache.id, hash);
    lastUse.narinfo(cache.id, path !== undefined, cache.reader);
    if (path === undefined) return answerFromUpstream(services, request, reply, { cache, hash });
    reply.headers({ "x-cache": "HIT", "access-control-allow-origin": "*" });
    if (isJsonWanted(request)) return narinfoJson(narInfoOf(path));
    const text = narinfoText(path);
    const etag = narinfoTag(text);
    reply.headers({ ...NARINFO_HEADERS, etag });
    if (isNotModified(request, etag)) return reply.code(304).send();
    return reply.send(Buffer.from(text));
  });
};

/** An outage is answered as an absence, which nobody is to remember: clients would end with any other answer, and go on to their next cache with this one. */
async function answerFromUpstream(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, hash }: { cache: SurfaceCache; hash: string },
): Promise<FastifyReply> {
  const shown = await findUpstreamInfo(services, cache.id, hash);
  if (typeof shown === "string") {
    if (shown === "unknown") reply.header("cache-control", "no-store");
    throw new NotFoundError(noSuchPath(cache.name, hash));
  }
  reply.headers({ ...NARINFO_HEADERS, "x-cache": "MISS" });
  if (isJsonWanted(request)) {
    return reply.type("application/json; charset=utf-8").send(JSON.stringify(narinfoJson(shown)));
  }
  return reply.send(Buffer.from(formatNarInfo(shown)));
}
