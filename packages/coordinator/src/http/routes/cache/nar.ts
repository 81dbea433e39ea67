import { open, type FileHandle } from "node:fs/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SurfaceCache, SurfaceNar } from "../../../db/cache-surface-view.ts";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { isInRanges } from "../../../rules/address.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";
import { isNotModified } from "./answers.ts";
import { parseRange, type ByteRange } from "./byte-range.ts";
import { isWriter, readableCache } from "./cache-access.ts";
import { NAR_FILE_NAME_RULE, parseNarFileName, type NarFileName } from "./nar-file-name.ts";
import { sendFile } from "./send-file.ts";
import { sendRepacked } from "./send-repacked.ts";

const NAR_TYPE = "application/x-nix-nar";

/** What is named by its hash never changes. */
const CACHED_FOREVER = "max-age=31536000, immutable";

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
  { cache, name }: { cache: SurfaceCache; name: NarFileName },
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
  cache: SurfaceCache,
): Promise<boolean> {
  return request.method === "HEAD" && (await isWriter(services, request, cache.name));
}

/** The stored file as it lies there, or a part of it. */
export async function sendStored(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, found, etag }: { cache: SurfaceCache; found: SurfaceNar; etag: string },
): Promise<FastifyReply> {
  const size = found.file_size;
  const visibility = cache.public === 1 ? "public" : "private";
  const headers = { etag, "cache-control": `${visibility}, ${CACHED_FOREVER}` };
  if (isNotModified(request, etag)) return reply.code(304).headers(headers).send();
  const location = accelLocation(services, request, found);
  if (location !== null) {
    // Ranges are the proxy's, which sees the same request.
    if (request.method === "GET") services.lastUse.path(cache.id, found.hash_part, size);
    reply.headers({ ...headers, "content-type": NAR_TYPE, "x-accel-redirect": location });
    return reply.send("");
  }
  const ifRange = request.headers["if-range"];
  const isRangeValid = ifRange === undefined || ifRange === etag;
  const range = isRangeValid ? parseRange(request.headers.range, size) : null;
  if (range === "unsatisfiable") {
    reply.code(416).header("content-range", `bytes */${size}`);
    return reply.send(Buffer.alloc(0));
  }
  const file = await openNar(services, found);
  try {
    const part = range ?? { start: 0, end: size };
    reply.hijack();
    reply.raw.writeHead(range === null ? 200 : 206, {
      ...headers,
      ...narHeaders(part),
      ...(range === null ? {} : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
      [REQUEST_ID_HEADER]: request.id,
    });
    if (request.method === "HEAD") {
      reply.raw.end();
      return reply;
    }
    services.lastUse.path(cache.id, found.hash_part, part.end - part.start);
    await sendFile(reply.raw, file, part);
    return reply;
  } finally {
    await file.close();
  }
}

/** Where a proxy finds the file by itself; null when there is none. Whoever comes around the proxy gets the bytes from here. */
function accelLocation(
  { config, nars }: Pick<Services, "config" | "nars">,
  request: FastifyRequest,
  { nar_hash: narHash }: SurfaceNar,
): string | null {
  const { accelRedirect, trustedProxies } = config;
  if (accelRedirect === null) return null;
  const peer = request.socket.remoteAddress ?? "";
  if (!isInRanges(peer, trustedProxies)) return null;
  return `${accelRedirect}${nars.name(narHash)}`;
}

function narHeaders(part: ByteRange) {
  return {
    "content-type": NAR_TYPE,
    "content-length": part.end - part.start,
    "accept-ranges": "bytes",
  };
}

async function openNar(
  { nars, logger }: Pick<Services, "nars" | "logger">,
  found: SurfaceNar,
): Promise<FileHandle> {
  try {
    return await open(nars.file(found.nar_hash), "r");
  } catch (error) {
    logger.error({ err: error, narHash: found.nar_hash }, "a NAR in the database is not on disk");
    throw new NotFoundError(`NAR ${found.nar_hash} is missing on this server`, { cause: error });
  }
}
