import { storePathHash, type NarInfo } from "@gradient/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { claimOfNarInfo } from "../../../caches/path-claim.ts";
import { withoutQuery } from "../../../caches/shown-paths.ts";
import { findCacheByName } from "../../../db/cache-repository.ts";
import { NotFoundError, UnavailableError } from "../../../errors.ts";
import { drain } from "../../../intake/drain.ts";
import type { StreamedAnswer } from "../../../outbound/outbound-client.ts";
import { OutboundError } from "../../../outbound/outbound-error.ts";
import type { HttpUpstream } from "../../../upstreams/http-upstream.ts";
import { passOn } from "../../../upstreams/pass-on.ts";
import type { CacheRoute, Services } from "../../api.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";
import { readableCache, type ReadCache } from "./cache-access.ts";
import { parseNarFileName } from "./nar-file-name.ts";
import { sendChunk } from "./send-file.ts";
import { sendRepacked } from "./send-repacked.ts";
import { sendStored } from "./send-stored.ts";

interface Params {
  cache: string;
  upstream: string;
  hash: string;
  "*": string;
}

/**
 * GET /cache/{cache}/nar/upstream/{id}/{store hash}/{url}: a NAR that an upstream has, passed on while it is verified, and kept. The URL stands in the narinfo that
 * this cache gave; what is kept already is not fetched again.
 */
export const upstreamNar: CacheRoute = (app, services) => {
  app.get<{ Params: Params }>("/:cache/nar/upstream/:upstream/:hash/*", async (request, reply) => {
    const { upstream: id, hash, "*": url } = request.params;
    const cache = await readableCache(services, request, request.params.cache);
    const kept = await answerKept(services, request, reply, { cache, url });
    if (kept !== null) return kept;
    const internal = services.upstreams.internalUpstream(cache.id, id);
    const found =
      internal === null ? undefined : services.surface.findNar(internal, fileHashOf(url));
    if (found !== undefined) {
      return sendStored(services, request, reply, { cache, found, etag: `"${found.file_hash}"` });
    }
    const upstream = services.upstreams.httpUpstream(cache.id, id);
    const path = upstream === null ? null : await services.upstreams.find(cache.id, hash);
    if (path === "unknown") throw new UnavailableError("the upstream cache does not answer");
    if (
      upstream === null ||
      path === null ||
      path === "absent" ||
      withoutQuery(path.info.url) !== url
    ) {
      throw new NotFoundError(`no upstream of cache "${cache.name}" has ${url}`);
    }
    if (request.method === "HEAD") return reply.headers(HEADERS).send("");
    return passFrom(services, request, reply, { cache, upstream, info: path.info });
  });
};

const HEADERS = { "content-type": "application/x-nix-nar", "x-cache": "MISS" } as const;

function fileHashOf(url: string): string {
  return parseNarFileName(url.replace(/^nar\//, ""))?.fileHash ?? "";
}

async function answerKept(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, url }: { cache: ReadCache; url: string },
): Promise<FastifyReply | null> {
  const name = parseNarFileName(url.replace(/^nar\//, ""));
  const given = name === null ? null : services.content.findGiven(cache, name);
  const found =
    given === null ? undefined : services.surface.findNarByHash(cache.id, given.narHash);
  if (given === null || found === undefined || given.compression === "bzip2") return null;
  if (given.compression !== "zstd") {
    return sendRepacked(services, request, reply, { cache, found, given });
  }
  return sendStored(services, request, reply, { cache, found, etag: `"${found.file_hash}"` });
}

async function passFrom(
  services: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  { cache, upstream, info }: { cache: ReadCache; upstream: HttpUpstream; info: NarInfo },
): Promise<FastifyReply> {
  const { content, httpUpstreams, lastUse, logger } = services;
  const answer = await opened(httpUpstreams.openNar(upstream, info.url, services.stopping));
  const viewer = { userId: null, onlyOrganizationId: null };
  const target = await findCacheByName(services.database.kysely, cache.name, viewer);
  if (target === undefined) throw new NotFoundError(`cache "${cache.name}" does not exist`);
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...HEADERS,
    ...(info.fileSize === null ? {} : { "content-length": info.fileSize }),
    [REQUEST_ID_HEADER]: request.id,
  });
  try {
    await passOn(
      answer.body,
      (chunk) => sendChunk(raw, chunk),
      // Whoever downloads does not wait for those who upload: what is not kept now is kept the next time.
      (bytes) =>
        !content.hasRoomFor(cache)
          ? drain(bytes)
          : content.upload(target, { claim: claimOfNarInfo(info), by: null }, bytes),
    );
    raw.end();
    services.narinfoLane.forgetPath(cache.name, storePathHash(info.path));
    lastUse.path(cache, storePathHash(info.path), info.fileSize ?? 0);
  } catch (error) {
    // Some of it was promised and sent: only a broken connection tells that it was not right.
    logger.warn(
      { err: error, url: info.url, upstream: upstream.url },
      "a NAR of an upstream failed",
    );
    raw.destroy();
  }
  return reply;
}

async function opened(opening: Promise<StreamedAnswer>): Promise<StreamedAnswer> {
  try {
    const answer = await opening;
    if (answer.status === 200) return answer;
    for await (const chunk of answer.body) void chunk;
    throw new UnavailableError(`the upstream cache answers with status ${answer.status}`);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw new UnavailableError(`the upstream cache fails: ${error.message}`, { cause: error });
  }
}
