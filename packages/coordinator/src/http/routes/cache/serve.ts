import { Readable } from "node:stream";
import { openNarEntry, type NarEntry } from "@gradient/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { copies } from "../../../intake/copies.ts";
import { packDirectory } from "../../../nar-contents/pack-directory.ts";
import { readNar } from "../../../nar-contents/read-nar.ts";
import type { CacheRoute } from "../../api.ts";
import { contentTypeOf } from "../../content-type.ts";
import { isNotModified } from "./answers.ts";
import { readableCache } from "./cache-access.ts";
import { noSuchPath } from "./narinfo-text.ts";

const HASH = /^[0-9a-df-np-sv-z]{32}$/;

/** Files of a package are strangers' files: shown by a browser they may do nothing. */
const HARMLESS = {
  "x-content-type-options": "nosniff",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox",
  "access-control-allow-origin": "*",
} as const;

/** GET /cache/{cache}/serve/{hash}/{path...}: one file out of a NAR as it is, or one directory as tar.zst. */
export const serve: CacheRoute = (app, services) => {
  const { nars, surface } = services;
  app.get<{ Params: { cache: string; hash: string; "*": string } }>(
    "/:cache/serve/:hash/*",
    async (request, reply) => {
      const { hash, "*": path } = request.params;
      const cache = await readableCache(services, request, request.params.cache);
      if (!HASH.test(hash)) {
        throw new BadRequestError(
          `"${hash}" is not the hash of a store path, 32 characters of Nix base 32`,
        );
      }
      const shown = surface.findPath(cache.id, hash);
      if (shown === undefined) throw new NotFoundError(noSuchPath(cache.name, hash));
      const names = path.split("/");
      const etag = `"${shown.nar_hash}"`;
      const missing = () =>
        new NotFoundError(`/nix/store/${shown.path} has no file or directory "${path}"`);
      if (names.includes("")) throw missing();
      const entry = await openNarEntry(readNar(nars, shown.nar_hash), names);
      if (entry === null || entry.type === "symlink") {
        await entry?.[Symbol.asyncDispose]();
        throw missing();
      }
      reply.headers({ ...HARMLESS, etag });
      if (isNotModified(request, etag)) {
        await entry[Symbol.asyncDispose]();
        return reply.code(304).send();
      }
      return sendEntry(request, reply, { entry, name: names.at(-1) ?? shown.path });
    },
  );
};

async function sendEntry(
  request: FastifyRequest,
  reply: FastifyReply,
  { entry, name }: { entry: Exclude<NarEntry, { type: "symlink" }>; name: string },
): Promise<FastifyReply> {
  const isBodyless = request.method === "HEAD";
  if (entry.type === "regular") {
    reply.headers({ "content-type": contentTypeOf(name), "content-length": entry.file.size });
  } else {
    reply.headers({
      "content-type": "application/zstd",
      "content-disposition": attachment(`${name}.tar.zst`),
    });
  }
  if (isBodyless) {
    await entry[Symbol.asyncDispose]();
    return reply.send(Readable.from([]));
  }
  const body =
    entry.type === "regular"
      ? Readable.from(copies(entry.contents), { objectMode: false })
      : packDirectory(name, entry.parts);
  body.once("close", () => void entry[Symbol.asyncDispose]());
  return reply.send(body);
}

/** RFC 6266: a plain name for everybody, and the exact one for those who know its encoding. */
function attachment(name: string): string {
  const plain = name.replaceAll(/[^ -~]|["\\%]/g, "_");
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name).replaceAll(/['()*]/g, "_")}`;
}
