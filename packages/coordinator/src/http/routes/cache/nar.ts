import type { FastifyReply, FastifyRequest } from "fastify";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { isWriter, readableCache, type ReadCache } from "./cache-access.ts";
import { NAR_FILE_NAME_RULE, parseNarFileName, type NarFileName } from "./nar-file-name.ts";
import { NAR_TYPE } from "./nar-headers.ts";
import { sendRepacked } from "./send-repacked.ts";
import { sendStored } from "./send-stored.ts";

/** GET and HEAD /cache/{cache}/nar/{file hash}.nar[.zst]: the stored file, with ranges; by the name that an uploader gave it, in the form that the name says. */
export const nar: CacheRoute = (app, services) => {
  const { surface } = services;
  app.get<{ Params: { cache: string; file: string } }>(
    "/:cache/nar/:file",
    async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
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

/** A name that an uploader chose for what is stored under another. Before its path is shown, only those who write learn that it is there. */
async function answerNamed(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, name }: { cache: ReadCache; name: NarFileName },
): Promise<FastifyReply> {
  const { content, surface } = services;
  const given = content.findGiven(cache, name);
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
