import { BadRequestError } from "../../../errors.ts";
import { compressionOfEncoding, decompress } from "../../../intake/compression.ts";
import type { CacheRoute } from "../../api.ts";
import { bodyOf } from "./bodies.ts";
import { writableCache } from "./cache-access.ts";
import { checkDrvName, logDocument } from "./log-name.ts";

const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** PUT /cache/{cache}/log/{drv}: what `nix store copy-log` sends, packed or not. */
export const putLog: CacheRoute = (app, services) => {
  const { documents } = services;
  app.put<{ Params: { cache: string; drv: string } }>(
    "/:cache/log/:drv",
    { bodyLimit: MAX_LOG_BYTES },
    async (request, reply) => {
      const { cache: name, drv } = request.params;
      const { cache } = await writableCache(services, request, name);
      checkDrvName(drv);
      const encoding = request.headers["content-encoding"];
      const compression = compressionOfEncoding(encoding);
      if (compression === null) {
        throw new BadRequestError(
          `Content-Encoding "${encoding}" is not known: use br, gzip, xz, zstd or none`,
        );
      }
      const text = decompress(compression, bodyOf(request));
      await documents.put(cache.id, logDocument(drv), text, MAX_LOG_BYTES);
      return reply.code(201).send("");
    },
  );
};
