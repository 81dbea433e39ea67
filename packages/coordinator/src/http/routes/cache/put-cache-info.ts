import { BadRequestError } from "../../../errors.ts";
import type { CacheRoute } from "../../api.ts";
import { bodyOf, readText } from "./bodies.ts";
import { writableCache } from "./cache-access.ts";

const MAX_BYTES = 64 * 1024;

/** PUT /cache/{cache}/nix-cache-info: tools that fill a cache may send it. Nothing of it is kept; it has to be of the same store. */
export const putCacheInfo: CacheRoute = (app, services) => {
  app.put<{ Params: { cache: string } }>("/:cache/nix-cache-info", async (request, reply) => {
    await writableCache(services, request, request.params.cache);
    const text = await readText(bodyOf(request), MAX_BYTES);
    const store = /^StoreDir:\s*(\S+)\s*$/m.exec(text)?.[1];
    if (store !== undefined && store !== "/nix/store") {
      throw new BadRequestError(`this cache is one of paths in /nix/store, not in ${store}`, {
        code: "foreign_store",
      });
    }
    return reply.code(201).send("");
  });
};
