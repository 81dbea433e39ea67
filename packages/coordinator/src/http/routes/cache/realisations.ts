import { isDrvPath } from "@gradient/protocol";
import { isOutputName, isRealisationId, type RealisationKey } from "../../../caches/realisation.ts";
import { Realisations } from "../../../caches/realisations.ts";
import { BadRequestError, NotFoundError } from "../../../errors.ts";
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

/**
 * GET and PUT /cache/{cache}/realisations/{id}.doi and, since Nix 2.35, /cache/{cache}/build-trace-v2/{derivation}/{output}.doi: which paths the
 * outputs of content-addressed derivations have become.
 */
export const realisations: CacheRoute = (app, services) => {
  const known = new Realisations(services);
  for (const address of ["/:cache/realisations/:file", "/:cache/build-trace-v2/:drv/:file"]) {
    app.get<{ Params: Params }>(address, async (request, reply) => {
      const cache = await readableCache(services, request, request.params.cache);
      const key = keyOf(request.params);
      const text = await known.find(cache.id, key);
      if (text === null) throw new NotFoundError(`cache "${cache.name}" has no ${key.place}`);
      return sendText(reply, "application/json", text);
    });

    app.put<{ Params: Params }>(address, async (request, reply) => {
      const { cache } = await writableCache(services, request, request.params.cache);
      const key = keyOf(request.params);
      await known.put(cache, key, await readText(bodyOf(request), MAX_BYTES));
      return reply.code(201).send("");
    });
  }
};

function keyOf({ drv, file }: Params): RealisationKey {
  const name = file.endsWith(SUFFIX) ? file.slice(0, -SUFFIX.length) : "";
  if (drv === undefined) {
    if (isRealisationId(name)) return { place: `realisations/${file}`, id: name };
    throw new BadRequestError(`"${file}" is not sha256:<hash>!<output>.doi`);
  }
  if (isDrvPath(`/nix/store/${drv}`) && isOutputName(name)) {
    return { place: `build-trace-v2/${drv}/${file}`, id: null, drv, output: name };
  }
  throw new BadRequestError(`"${drv}/${file}" is not <hash>-<name>.drv/<output>.doi`);
}
