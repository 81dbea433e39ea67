import { storePathBase, storePathHash } from "@gradient/protocol";
import { isRealisationId, parseRealisation } from "../../../caches/realisation.ts";
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
  file: string;
}

/** GET and PUT /cache/{cache}/realisations/{id}.doi: which paths the outputs of content-addressed derivations have become. */
export const realisations: CacheRoute = (app, services) => {
  const { documents } = services;
  app.get<{ Params: Params }>("/:cache/realisations/:file", async (request, reply) => {
    const cache = await readableCache(services, request, request.params.cache);
    const id = idOf(request.params.file);
    const text = await documents.text(cache.id, nameOf(id));
    if (text === null) throw new NotFoundError(`cache "${cache.name}" has no realisation of ${id}`);
    return sendText(reply, "application/json", text);
  });

  app.put<{ Params: Params }>("/:cache/realisations/:file", async (request, reply) => {
    const { cache } = await writableCache(services, request, request.params.cache);
    const id = idOf(request.params.file);
    const text = await readText(bodyOf(request), MAX_BYTES);
    const { outPath } = parseRealisation(text, id);
    const shown = services.surface.findPath(cache.id, storePathHash(outPath));
    if (shown?.path !== storePathBase(outPath)) {
      throw new UnprocessableError(
        `cache "${cache.name}" does not have ${outPath}, which the realisation names: upload it first`,
        { code: "missing_reference" },
      );
    }
    const known = await documents.text(cache.id, nameOf(id));
    if (known !== null && parseRealisation(known, id).outPath !== outPath) {
      throw new ConflictError(
        `cache "${cache.name}" has another path for ${id} already, and what it shows does not change`,
      );
    }
    await documents.put(cache.id, nameOf(id), bytesOf(text), MAX_BYTES);
    return reply.code(201).send("");
  });
};

async function* bytesOf(text: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(text);
}

function nameOf(id: string): string {
  return `realisations/${id}${SUFFIX}`;
}

function idOf(file: string): string {
  const id = file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length) : "";
  if (isRealisationId(id)) return id;
  throw new BadRequestError(`"${file}" is not sha256:<hash>!<output>.doi`);
}
