import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { encodeNarBundle, MAX_BUNDLED_NAR_BYTES, MAX_NAR_BUNDLE_BYTES } from "@gradient/protocol";
import type { SurfacePath } from "../../../db/cache-surface-view.ts";
import type { NarStore } from "../../../ports.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { hashesBody, readBatch } from "./batch-request.ts";
import { readableCache, type ReadCache } from "./cache-access.ts";

/** More than what stands before each NAR. */
const HEADER_BYTES = 64;

/**
 * POST /cache/{cache}/nars: the NARs of many small paths in one answer, in the form that workers upload them in (`messages/nar-bundle.ts` of the protocol). Left out is what the
 * cache does not have, what is larger than 64 KiB, and what would make the answer larger than 4 MiB: it is fetched as usual, or asked for again.
 */
export const nars: CacheRoute = (app, services) => {
  app.post<{ Params: { cache: string } }>("/:cache/nars", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const { hashes } = await readBatch(request, hashesBody);
    reply.header("content-type", "application/octet-stream");
    return reply.send(Readable.from(bundle(services, cache, choose(services, cache, hashes))));
  });
};

function choose(
  { surface }: Pick<Services, "surface">,
  cache: ReadCache,
  hashes: readonly string[],
): SurfacePath[] {
  const chosen = new Map<string, SurfacePath>();
  let bytes = 0;
  for (const hash of new Set(hashes)) {
    const path = surface.findPath(cache.id, hash);
    if (path === undefined || path.nar_size > MAX_BUNDLED_NAR_BYTES) continue;
    if (path.compression !== "zstd" || chosen.has(path.nar_hash)) continue;
    bytes += path.file_size + HEADER_BYTES;
    if (bytes > MAX_NAR_BUNDLE_BYTES) break;
    chosen.set(path.nar_hash, path);
  }
  return [...chosen.values()];
}

async function* bundle(
  { nars: files, lastUse, logger }: Pick<Services, "nars" | "lastUse" | "logger">,
  cache: ReadCache,
  paths: readonly SurfacePath[],
): AsyncGenerator<Buffer, void, undefined> {
  for (const { path, nar_hash: narHash, nar_size: narSize, file_size: end } of paths) {
    const bytes = await read(files, narHash, end).catch((error: unknown) => {
      logger.error({ err: error, narHash }, "a NAR in the database cannot be read");
      return null;
    });
    if (bytes === null) continue;
    lastUse.path(cache, path.slice(0, 32), bytes.length);
    yield encodeNarBundle([{ narHash, narSize, bytes }]);
  }
}

async function read(files: NarStore, narHash: string, end: number): Promise<Buffer> {
  return await buffer(await files.read(narHash, { start: 0, end }));
}
