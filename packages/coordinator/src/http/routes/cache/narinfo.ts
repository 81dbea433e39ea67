import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { isJsonWanted, isNotModified } from "./answers.ts";
import { readableCache } from "./cache-access.ts";
import type { CacheRoute } from "../../api.ts";
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
    lastUse.narinfo(cache.id, path !== undefined);
    if (path === undefined) throw new NotFoundError(noSuchPath(cache.name, hash));
    reply.headers({ "x-cache": "HIT", "access-control-allow-origin": "*" });
    if (isJsonWanted(request)) return narinfoJson(path);
    const text = narinfoText(path);
    const etag = narinfoTag(text);
    reply.headers({ ...NARINFO_HEADERS, etag });
    if (isNotModified(request, etag)) return reply.code(304).send();
    return reply.send(Buffer.from(text));
  });
};
