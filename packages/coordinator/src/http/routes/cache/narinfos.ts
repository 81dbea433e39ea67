import { Readable } from "node:stream";
import {
  findPaths,
  findShownClosure,
  type ShownInfo,
  type ShownPathsParts,
} from "../../../caches/shown-paths.ts";
import { Turns } from "../../../intake/turns.ts";
import { PayloadTooLargeError } from "../../../errors.ts";
import type { CacheRoute } from "../../api.ts";
import { pathsBody, readBatch } from "./batch-request.ts";
import { readableCache } from "./cache-access.ts";
import { storeObjectInfo } from "./store-object-info.ts";

/** A larger closure is asked for in parts. */
const MAX_CLOSURE = 50_000;

/**
 * POST /cache/{cache}/narinfos: the narinfos of many paths, or of everything that they refer to, a line of JSON for each; the last line says what is neither here nor in an
 * upstream. Of a closure, references come before what refers to them.
 */
export const narinfos: CacheRoute = (app, services) => {
  app.post<{ Params: { cache: string } }>("/:cache/narinfos", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const { hashes, closure } = await readBatch(request, pathsBody);
    const count = (isHit: boolean): void => services.lastUse.narinfo(cache.id, isHit, cache.reader);
    const lines = closure
      ? await closureLines(services, cache.id, hashes, count)
      : pathLines(services, cache.id, hashes, count);
    reply.header("content-type", "application/x-ndjson");
    return reply.send(Readable.from(lines));
  });
};

async function* pathLines(
  parts: ShownPathsParts,
  cacheId: string,
  hashes: readonly string[],
  count: (isHit: boolean) => void,
): AsyncGenerator<string, void, undefined> {
  const missing: string[] = [];
  const turns = new Turns();
  for await (const { hashPart, shown } of findPaths(parts, cacheId, hashes)) {
    count(shown?.isOwn === true);
    if (shown === null) missing.push(hashPart);
    else yield lineOf(shown);
    await turns.giveWay();
  }
  yield endLine(missing);
}

/** The whole closure is found before the first line is sent: one that is too large is refused. */
async function closureLines(
  parts: ShownPathsParts,
  cacheId: string,
  hashes: readonly string[],
  count: (isHit: boolean) => void,
): Promise<AsyncGenerator<string, void, undefined>> {
  const { paths, missing, isCut } = await findShownClosure(parts, cacheId, hashes, MAX_CLOSURE);
  if (isCut) {
    throw new PayloadTooLargeError(
      `the closure has more than ${MAX_CLOSURE} paths: ask for the closures of parts of it`,
    );
  }
  for (const { isOwn } of paths) count(isOwn);
  for (const _ of missing) count(false);
  return (async function* () {
    const turns = new Turns();
    for (const shown of paths) {
      yield lineOf(shown);
      await turns.giveWay();
    }
    yield endLine(missing);
  })();
}

function lineOf({ info }: ShownInfo): string {
  return `${JSON.stringify(storeObjectInfo(info))}\n`;
}

function endLine(missing: readonly string[]): string {
  return `${JSON.stringify({ missing })}\n`;
}
