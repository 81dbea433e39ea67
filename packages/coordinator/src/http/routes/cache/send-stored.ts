import { open, type FileHandle } from "node:fs/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SurfaceNar } from "../../../db/cache-surface-view.ts";
import { NotFoundError } from "../../../errors.ts";
import type { NarPlace } from "../../../ports.ts";
import { isInRanges } from "../../../rules/address.ts";
import type { Services } from "../../api.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";
import { isNotModified } from "./answers.ts";
import { parseRange } from "./byte-range.ts";
import type { ReadCache } from "./cache-access.ts";
import { keepingHeaders, NAR_TYPE, narHeaders } from "./nar-headers.ts";
import { sendFile } from "./send-file.ts";

/** The stored file as it lies there, or a part of it; from here, or by those who have it. */
export async function sendStored(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, found, etag }: { cache: ReadCache; found: SurfaceNar; etag: string },
): Promise<FastifyReply> {
  const size = found.file_size;
  const headers = keepingHeaders(cache, etag);
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
  const part = range ?? { start: 0, end: size };
  const small = request.method === "GET" ? services.nars.readNow(found.nar_hash, part.end) : null;
  const file =
    place.kind === "file" && small === null ? await openNar(place.path, services, found) : null;
  try {
    reply.hijack();
    reply.raw.writeHead(range === null ? 200 : 206, {
      ...headers,
      ...narHeaders(part),
      ...(range === null ? {} : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
      [REQUEST_ID_HEADER]: request.id,
    });
    if (request.method === "GET") {
      services.lastUse.path(cache, found.hash_part, part.end - part.start);
    }
    if (request.method === "GET" && file !== null)
      await sendFile(reply.raw, services.nars, file, part);
    else reply.raw.end(small?.subarray(part.start));
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
