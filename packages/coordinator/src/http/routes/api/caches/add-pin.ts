import { z } from "zod";
import { signedIn, type Authority } from "../../../../auth/authority.ts";
import type { Caller } from "../../../../auth/caller.ts";
import { addPin, type Pinned } from "../../../../caches/pins.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope, timestamp } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const body = z.object({
  path: z
    .string()
    .max(300)
    .nullish()
    .meta({ description: "A path of the cache, with or without /nix/store/." }),
  evaluation: z
    .uuid()
    .nullish()
    .meta({ description: "An evaluation of an organization that publishes in the cache." }),
  until: timestamp.nullish().meta({ description: "When it may go; for ever when it is absent." }),
});

const STORE = "/nix/store/";

/** POST /caches/{cache}/pins: the answer is the pin's id. */
export const addPinRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/caches/:cache/pins",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary:
          "Keeps a path, or what an evaluation needs, in a cache with all that it refers to, until a time or for ever.",
        params: cacheParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async ({ caller, params, body: request }) => {
      const { cache } = await authority.cache(caller, params.cache, "writeStore");
      const what = await pinnedOf(authority, caller, request);
      const until = request.until ? Date.parse(request.until) : null;
      const createdBy = signedIn(caller).user.id;
      return ok(await addPin(database, cache, { what, until, createdBy }, clock.now()));
    },
  );
};

async function pinnedOf(
  authority: Authority,
  caller: Caller,
  { path, evaluation }: z.infer<typeof body>,
): Promise<Pinned> {
  if (evaluation && !path) {
    const { evaluation: found } = await authority.memberEvaluation(caller, evaluation);
    return { evaluation: { id: found.id, organizationId: found.organization_id } };
  }
  if (!path || evaluation) throw new BadRequestError("either path or evaluation has to be given");
  return { path: path.startsWith(STORE) ? path.slice(STORE.length) : path };
}
