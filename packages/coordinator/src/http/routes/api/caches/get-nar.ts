import { z } from "zod";
import { findNar } from "../../../../db/cache-nar-view.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { listedNarSchema, toListedNar } from "./listed-nar.ts";
import { narParams } from "./nar-params.ts";

const shownNar = listedNarSchema.extend({
  file_hash: z.string().nullable(),
  nar_hash: z.string().nullable(),
  references: z.array(z.string()),
  deriver: z.string().nullable(),
  ca: z.string().nullable(),
  fetch_count: z.int(),
  signed: z.boolean(),
});

/** GET /caches/{cache}/nars/{hash} */
export const getNarRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/nars/:hash",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Shows one path of a cache with its hashes and references",
        params: narParams,
        response: { 200: envelope(shownNar) },
      },
    },
    async ({ caller, params }) => {
      const { cache } = await authority.readCache(caller, params.cache);
      const nar = await findNar(database.kysely, cache.id, params.hash);
      if (nar === undefined) {
        throw new NotFoundError(`cache "${cache.name}" has no path with hash ${params.hash}`);
      }
      return ok({
        ...toListedNar(nar),
        file_hash: `sha256:${nar.fileHash}`,
        nar_hash: `sha256:${nar.narHash}`,
        references: nar.references,
        deriver: nar.deriver,
        ca: nar.ca,
        fetch_count: nar.fetchCount,
        signed: nar.isSigned,
      });
    },
  );
};
