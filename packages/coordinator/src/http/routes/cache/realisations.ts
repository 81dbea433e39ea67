import { isDrvPath, storePathBase, storePathHash, type StorePath } from "@gradient/protocol";
import { isOutputName, isRealisationId, parseRealisation } from "../../../caches/realisation.ts";
import {
  BadRequestError,
  ConflictError,
  NotFoundError,
  UnprocessableError,
} from "../../../errors.ts";
import type { CacheRoute } from "../../api.ts";
import { sendText } from "./answers.ts";
import { bodyOf, readText } from "./bodies.ts";
import { readableCache, writableCache } from "./cache-access.ts";

const SUFFIX = ".doi";
const MAX_BYTES = 256 * 1024;

interface Params {
  cache: string;
  /** Base name of the derivation, where it is a part of the address. */
  drv?: string;
  file: string;
}

/** Of which output a document is, by its address. */
interface Key {
  /** Of the document, below the cache. */
  place: string;
  /** What has to stand in the document, where its key does. */
  id: string | null;
}

/**
 * GET and PUT /cache/{cache}/realisations/{id}.doi and, since Nix 2.35, /cache/{cache}/build-trace-v2/{derivation}/{output}.doi: which paths the
 * outputs of content-addressed derivations have become. Only paths that the cache shows are told of.
 */
export const realisations: CacheRoute = (app, services) => {
  const { documents, surface } = services;
  const isShown = (cacheId: string, path: StorePath): boolean =>
    surface.findPath(cacheId, storePathHash(path))?.path === storePathBase(path);

  /** What is told of an output, and the path that it is. */
  async function find(cacheId: string, { place, id }: Key) {
    const text = await documents.text(cacheId, place);
    if (text === null) return null;
    const { outPath } = parseRealisation(text, id);
    return isShown(cacheId, outPath) ? { text, outPath } : null;
  }

  for (const address of ["/:cache/realisations/:file", "/:cache/build-trace-v2/:drv/:file"]) {
    app.get<{ Params: Params }>(address, async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
      const key = keyOf(request.params);
      const found = await find(cache.id, key);
      if (found === null) throw new NotFoundError(`cache "${cache.name}" has no ${key.place}`);
      return sendText(reply, "application/json", found.text);
    });

    app.put<{ Params: Params }>(address, async (request, reply) => {
      const { cache } = await writableCache(services, request, request.params.cache);
      const key = keyOf(request.params);
      const text = await readText(bodyOf(request), MAX_BYTES);
      const { outPath } = parseRealisation(text, key.id);
      if (!isShown(cache.id, outPath)) {
        throw new UnprocessableError(
          `cache "${cache.name}" does not have ${outPath}, which the realisation names: upload it first`,
          { code: "missing_reference" },
        );
      }
      const known = await find(cache.id, key);
      if (known !== null && known.outPath !== outPath) {
        throw new ConflictError(
          `cache "${cache.name}" has another path in ${key.place} already, and what it shows does not change`,
        );
      }
      await documents.put(cache.id, key.place, bytesOf(text), MAX_BYTES);
      return reply.code(201).send("");
    });
  }
};

async function* bytesOf(text: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(text);
}

function keyOf({ drv, file }: Params): Key {
  const name = file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length) : "";
  if (drv === undefined) {
    if (isRealisationId(name)) return { place: `realisations/${file}`, id: name };
    throw new BadRequestError(`"${file}" is not sha256:<hash>!<output>.doi`);
  }
  if (isDrvPath(`/nix/store/${drv}`) && isOutputName(name)) {
    return { place: `build-trace-v2/${drv}/${file}`, id: null };
  }
  throw new BadRequestError(`"${drv}/${file}" is not <hash>-<name>.drv/<output>.doi`);
}
