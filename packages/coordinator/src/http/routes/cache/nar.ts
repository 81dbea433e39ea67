import { open, type FileHandle } from "node:fs/promises";
import type { SurfaceNar } from "../../../db/cache-surface-view.ts";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";
import { parseRange, type ByteRange } from "./byte-range.ts";
import { readableCache } from "./cache-access.ts";
import { sendFile } from "./send-file.ts";

const FILE = /^(?<hash>[0-9a-df-np-sv-z]{52})\.nar\.zst$/;

/** GET and HEAD /cache/{cache}/nar/{file hash}.nar.zst, with ranges. */
export const nar: CacheRoute = (app, services) => {
  const { surface, lastUse } = services;
  app.get<{ Params: { cache: string; file: string } }>(
    "/:cache/nar/:file",
    async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
      const fileHash = FILE.exec(request.params.file)?.groups?.["hash"];
      if (fileHash === undefined) {
        throw new BadRequestError(
          `"${request.params.file}" is not <hash>.nar.zst with 52 characters of Nix base 32`,
        );
      }
      const found = surface.findNar(cache.id, fileHash);
      if (found === undefined) {
        throw new NotFoundError(`cache "${cache.name}" has no NAR with file hash ${fileHash}`);
      }
      const size = found.file_size;
      const etag = `"${fileHash}"`;
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
          ...narHeaders(part, etag),
          ...(range === null
            ? {}
            : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
          [REQUEST_ID_HEADER]: request.id,
        });
        if (request.method === "HEAD") {
          reply.raw.end();
          return reply;
        }
        lastUse.path(cache.id, found.hash_part, part.end - part.start);
        await sendFile(reply.raw, file, part);
        return reply;
      } finally {
        await file.close();
      }
    },
  );
};

function narHeaders(part: ByteRange, etag: string) {
  return {
    "content-type": "application/x-nix-nar",
    "content-length": part.end - part.start,
    "accept-ranges": "bytes",
    etag,
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
