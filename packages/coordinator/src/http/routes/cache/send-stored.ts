import { open, type FileHandle } from "node:fs/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SurfaceNar } from "../../../db/cache-surface-view.ts";
import { NotFoundError } from "../../../errors.ts";
import type { ByteRange, NarPlace } from "../../../ports.ts";
import { isInRanges } from "../../../rules/address.ts";
import type { Services } from "../../api.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";
import { isNotModified } from "./answers.ts";
import { parseRange } from "./byte-range.ts";
import type { ReadCache } from "./cache-access.ts";
import { sendFile } from "./send-file.ts";

export const NAR_TYPE = "application/x-nix-nar";

/** What is named by its hash never changes. */
const CACHED_FOREVER = "max-age=31536000, immutable";

/** The stored file as it lies there, or a part of it; from here, or by those who have it. */
export async function sendStored(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, found, etag }: { cache: ReadCache; found: SurfaceNar; etag: string },
): Promise<FastifyReply> {
  const size = found.file_size;
  const visibility = cache.public === 1 ? "public" : "private";
  const headers = { etag, "cache-control": `${visibility}, ${CACHED_FOREVER}` };
  if (isNotModified(request, etag)) return reply.code(304).headers(headers).send();
  const place = await services.nars.place(found.nar_hash);
  const elsewhere = redirectTo(place, services, request);
  if (elsewhere !== null) {
    // Ranges are left to whoever sends the bytes: it is asked for the same ones.
    if (request.method === "GET") services.lastUse.path(cache, found.hash_part, size);
    reply.code(elsewhere.status).headers({ ...headers, ...elsewhere.headers });
    return reply.send("");
  }
  const ifRange = request.headers["if-range"];
  const isRangeValid = ifRange === undefined || ifRange === etag;
  const range = isRangeValid ? parseRange(request.headers.range, size) : null;
  if (range === "unsatisfiable") {
    reply.code(416).header("content-range", `bytes */${size}`);
    return reply.send(Buffer.alloc(0));
  }
  const file = place.kind === "file" ? await openNar(place.path, services, found) : null;
  try {
    const part = range ?? { start: 0, end: size };
    reply.hijack();
    reply.raw.writeHead(range === null ? 200 : 206, {
      ...headers,
      ...narHeaders(part),
      ...(range === null ? {} : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
      [REQUEST_ID_HEADER]: request.id,
    });
    if (request.method === "HEAD" || file === null) {
      reply.raw.end();
      return reply;
    }
    services.lastUse.path(cache, found.hash_part, part.end - part.start);
    await sendFile(reply.raw, file, part);
    return reply;
  } finally {
    await file?.close();
  }
}

interface Redirect {
  status: number;
  headers: Record<string, string>;
}

/** How others send the bytes in our place; null when it is done here. */
function redirectTo(
  place: NarPlace,
  { config: { accelRedirect, trustedProxies } }: Pick<Services, "config">,
  request: FastifyRequest,
): Redirect | null {
  if (place.kind === "url") {
    // The address is signed for GET; what a HEAD asks is known here. It must not be kept: it holds for minutes.
    if (request.method === "HEAD") return null;
    return { status: 302, headers: { location: place.url, "cache-control": "no-store" } };
  }
  const peer = request.socket.remoteAddress ?? "";
  // Whoever comes around the proxy gets the bytes from here.
  if (accelRedirect === null || !isInRanges(peer, trustedProxies)) return null;
  const location = `${accelRedirect}${place.name}`;
  return { status: 200, headers: { "content-type": NAR_TYPE, "x-accel-redirect": location } };
}

function narHeaders(part: ByteRange) {
  return {
    "content-type": NAR_TYPE,
    "content-length": part.end - part.start,
    "accept-ranges": "bytes",
  };
}

async function openNar(
  path: string,
  { logger }: Pick<Services, "logger">,
  found: SurfaceNar,
): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    logger.error({ err: error, narHash: found.nar_hash }, "a NAR in the database is not on disk");
    throw new NotFoundError(`NAR ${found.nar_hash} is missing on this server`, { cause: error });
  }
}
