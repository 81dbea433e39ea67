import type { FastifyReply, FastifyRequest } from "fastify";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { isWriter, readableCache, type ReadCache } from "./cache-access.ts";
import { NAR_FILE_NAME_RULE, parseNarFileName, type NarFileName } from "./nar-file-name.ts";
import { NAR_TYPE } from "./nar-headers.ts";
import { noSuchPath } from "./narinfo-text.ts";
import { sendRepacked } from "./send-repacked.ts";
import { sendStored } from "./send-stored.ts";

/** Clients of the original may name the stored file by the hash of its store path. */
const BY_STORE_PATH = /^(?<hash>[0-9a-df-np-sv-z]{32})\.nar(?:\.zst)?$/;

/** GET and HEAD /cache/{cache}/nar/{file hash}.nar[.zst]: the stored file, with ranges; by the name that an uploader gave it, in the form that the name says. */
export const nar: CacheRoute = (app, services) => {
  const { surface } = services;
  app.get<{ Params: { cache: string; file: string } }>(
    "/:cache/nar/:file",
    async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
      const { hash } = BY_STORE_PATH.exec(request.params.file)?.groups ?? {};
      if (hash !== undefined) return answerOfPath(services, request, reply, { cache, hash });
      const name = parseNarFileName(request.params.file);
      if (name === null) {
        throw new BadRequestError(`"${request.params.file}" is not ${NAR_FILE_NAME_RULE}`);
      }
      const found = name.compressions.includes("zstd")
        ? surface.findNar(cache.id, name.fileHash)
        : undefined;
      if (found === undefined) return answerNamed(services, request, reply, { cache, name });
      return sendStored(services, request, reply, { cache, found, etag: `"${name.fileHash}"` });
    },
  );
};

async function answerOfPath(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, hash }: { cache: ReadCache; hash: string },
): Promise<FastifyReply> {
  const path = services.surface.findPath(cache.id, hash);
  if (path === undefined) throw new NotFoundError(noSuchPath(cache.name, hash));
  const found = { ...path, hash_part: hash };
  return sendStored(services, request, reply, { cache, found, etag: `"${path.file_hash}"` });
}

/** A name that an uploader chose for what is stored under another. Before its path is shown, only those who write learn that it is there. */
async function answerNamed(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, name }: { cache: ReadCache; name: NarFileName },
): Promise<FastifyReply> {
  const { content, surface } = services;
  const given = content.findGiven(cache, name);
  const stored = given === null ? surface.findNar(cache.id, name.fileHash) : undefined;
  // The original has the stored file under this name.
  if (stored !== undefined && name.compressions.includes("none")) {
    return sendStored(services, request, reply, {
      cache,
      found: stored,
      etag: `"${name.fileHash}"`,
    });
  }
  const found = given === null ? undefined : surface.findNarByHash(cache.id, given.narHash);
  if (given === null || (found === undefined && !(await mayKnow(services, request, cache)))) {
    throw new NotFoundError(`cache "${cache.name}" has no NAR with file hash ${name.fileHash}`);
  }
  if (found === undefined) {
    return reply.headers({ "content-type": NAR_TYPE }).send("");
  }
  if (given.compression === "zstd") {
    return sendStored(services, request, reply, { cache, found, etag: `"${found.file_hash}"` });
  }
  return sendRepacked(services, request, reply, { cache, found, given });
}

async function mayKnow(
  services: Services,
  request: FastifyRequest,
  cache: ReadCache,
): Promise<boolean> {
  return request.method === "HEAD" && (await isWriter(services, request, cache.name));
}
