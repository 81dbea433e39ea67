import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CacheNarFile } from "../../../db/cache-nar-file-repository.ts";
import type { SurfaceNar } from "../../../db/cache-surface-view.ts";
import { copies } from "../../../intake/copies.ts";
import { readNar } from "../../../nar-contents/read-nar.ts";
import { storedBzip2 } from "../../../nar-contents/stored-bzip2.ts";
import { storedXz } from "../../../nar-contents/stored-xz.ts";
import type { ReadCache } from "./cache-access.ts";
import type { Services } from "../../api.ts";

/**
 * Sends a stored NAR in the form that an uploader's name for it says. It is the NAR that its readers verify, so other bytes around it do no harm;
 * whoever reads the narinfo anew is told the stored file.
 */
export async function sendRepacked(
  { nars, lastUse }: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, found, given }: { cache: ReadCache; found: SurfaceNar; given: CacheNarFile },
): Promise<FastifyReply> {
  reply.header("content-type", "application/x-nix-nar");
  if (given.compression === "none") reply.header("content-length", given.narSize);
  if (request.method === "HEAD") return reply.send(Readable.from([]));
  lastUse.path(cache, found.hash_part, given.narSize);
  return reply.send(repack(given.compression, copies(readNar(nars, given.narHash))));
}

function repack(compression: string, bytes: AsyncGenerator<Buffer>): Readable {
  switch (compression) {
    case "none":
      return Readable.from(bytes, { objectMode: false });
    case "xz":
      return Readable.from(storedXz(bytes), { objectMode: false });
    case "bzip2":
      return Readable.from(storedBzip2(bytes), { objectMode: false });
    case "gzip":
      return through(bytes, createGzip({ level: 1 }));
    case "br":
      return through(
        bytes,
        createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
      );
    default:
      throw new Error(`a file was taken with compression ${compression}`);
  }
}

function through(
  bytes: AsyncGenerator<Buffer>,
  engine: ReturnType<typeof createGzip> | ReturnType<typeof createBrotliCompress>,
): Readable {
  // An error destroys the engine, whose reader sees it.
  pipeline(bytes, engine).catch(() => undefined);
  return engine;
}
