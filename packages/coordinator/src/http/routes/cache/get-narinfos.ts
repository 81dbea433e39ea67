import { Readable } from "node:stream";
import { storePathBase } from "@gradient/protocol";
import { findPaths, findShownClosure, type ShownPathsParts } from "../../../caches/shown-paths.ts";
import { Turns } from "../../../intake/turns.ts";
import type { CacheRoute } from "../../api.ts";
import { readHashLines } from "./batch-request.ts";
import { readableCache } from "./cache-access.ts";
import { storeObjectInfo } from "./store-object-info.ts";

/** What `nix-cache-info` calls GetNarInfosV1, relative to the cache's address. */
export const GET_NARINFOS = "get-narinfos-v1";

/** Of so few paths the answer says all that they refer to, so that a client asks for the rest at once. */
const MAX_ROOTS = 16;
const MAX_CLOSURE = 20_000;

/**
 * POST /cache/{cache}/get-narinfos-v1: batches as Determinate Nix asks for them (its manual, "Nix Cache Info Format"): hash parts, one in a line; the answer has a line of JSON
 * for each path that can be had, and `partialClosure` in the lines of a small request.
 */
export const getNarinfos: CacheRoute = (app, services) => {
  app.post<{ Params: { cache: string } }>(`/:cache/${GET_NARINFOS}`, async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const hashes = await readHashLines(request);
    const count = (isHit: boolean): void => services.lastUse.narinfo(cache.id, isHit, cache.reader);
    reply.header("content-type", "application/x-ndjson");
    return reply.send(Readable.from(linesOf(services, cache.id, hashes, count)));
  });
};

async function* linesOf(
  parts: ShownPathsParts,
  cacheId: string,
  hashes: readonly string[],
  count: (isHit: boolean) => void,
): AsyncGenerator<string, void, undefined> {
  const turns = new Turns();
  for await (const { hashPart, shown } of findPaths(parts, cacheId, hashes)) {
    count(shown?.isOwn === true);
    if (shown === null) continue;
    const hint =
      hashes.length > MAX_ROOTS
        ? {}
        : { partialClosure: await indirectReferences(parts, cacheId, hashPart) };
    yield `${JSON.stringify({ ...storeObjectInfo(shown.info), ...hint })}\n`;
    await turns.giveWay();
  }
}

async function indirectReferences(
  parts: ShownPathsParts,
  cacheId: string,
  hashPart: string,
): Promise<string[]> {
  const { paths } = await findShownClosure(parts, cacheId, [hashPart], MAX_CLOSURE);
  return paths
    .map(({ info }) => storePathBase(info.path))
    .filter((base) => !base.startsWith(hashPart));
}
