import { NarListingBuilder, NarReader, type NarListing } from "@gradient/protocol";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
import { Gate } from "../../../intake/gate.ts";
import { readNar } from "../../../nar-contents/read-nar.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { isNotModified } from "./answers.ts";
import { readableCache } from "./cache-access.ts";
import { noSuchPath } from "./narinfo-text.ts";

const HASH = /^(?:[0-9a-df-np-sv-z]{32}|[0-9a-df-np-sv-z]{52})$/;
/** A listing is held in memory as a whole, with some hundred bytes for each entry. */
const MAX_ENTRIES = 1_000_000;
/** Listings that are made at the same time. */
const MAX_LISTINGS = 2;

/** GET /cache/{cache}/ls/{hash}: what is in a NAR, by the hash of its store path or of its file, and where each file begins in it. */
export const listing: CacheRoute = (app, services) => {
  const gate = new Gate(MAX_LISTINGS);
  app.get<{ Params: { cache: string; hash: string } }>(
    "/:cache/ls/:hash",
    async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
      const { hash } = request.params;
      if (!HASH.test(hash)) {
        throw new BadRequestError(
          `"${hash}" is not the hash of a store path or file, in Nix base 32`,
        );
      }
      const narHash = findNarHash(services, cache.id, hash);
      if (narHash === undefined) throw new NotFoundError(noSuchPath(cache.name, hash));
      const etag = `"ls-${narHash}"`;
      reply.headers({ etag, "access-control-allow-origin": "*" });
      if (isNotModified(request, etag)) return reply.code(304).send();
      using _place = await gate.enter();
      return await listNar(services, narHash);
    },
  );
};

function findNarHash({ surface }: Services, cacheId: string, hash: string): string | undefined {
  return hash.length === 32
    ? surface.findPath(cacheId, hash)?.nar_hash
    : surface.findNar(cacheId, hash)?.nar_hash;
}

async function listNar({ nars }: Services, narHash: string): Promise<NarListing> {
  const builder = new NarListingBuilder();
  const reader = new NarReader(builder, { maxEntries: MAX_ENTRIES });
  for await (const piece of readNar(nars, narHash)) reader.write(piece);
  reader.end();
  return builder.listing();
}
