import { z } from "zod";
import { deletePin } from "../../../../db/cache-pin-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const pinParams = z.object({ cache: z.string(), pin: z.uuid() });

/** DELETE /caches/{cache}/pins/{pin} */
export const deletePinRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/caches/:cache/pins/:pin",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Takes a pin away; what it kept goes when nothing else keeps it.",
        params: pinParams,
        response: { 200: textEnvelope },
      },
    },
    async ({ caller, params }) => {
      const { cache } = await authority.cache(caller, params.cache, "writeStore");
      if (!(await deletePin(database.kysely, { cacheId: cache.id, id: params.pin }))) {
        throw new NotFoundError(`pin ${params.pin} does not exist in cache "${cache.name}"`);
      }
      return ok(`Pin ${params.pin} was removed`);
    },
  );
};
