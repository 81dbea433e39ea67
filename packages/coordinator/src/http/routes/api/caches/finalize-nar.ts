import { storePathBase, storePathHash } from "@gradient/protocol";
import { claimOfFields } from "../../../../caches/path-claim.ts";
import { BadRequestError } from "../../../../errors.ts";
import { signedIn } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { narClaim, uploadedNar } from "./nar-claim.ts";
import { narParams } from "./nar-params.ts";

/** POST /caches/{cache}/nars/{hash}/finalize */
export const finalizeNarRoute: Route = (api, { authority, content }) => {
  api.post(
    "/caches/:cache/nars/:hash/finalize",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Verifies a NAR that was uploaded in chunks, and shows its path in the cache",
        params: narParams,
        body: narClaim,
        response: { 201: envelope(uploadedNar) },
      },
    },
    async (request, reply) => {
      const { caller, params, body } = request;
      const { cache } = await authority.cache(caller, params.cache, "writeStore");
      const claim = claimOfFields(body);
      if (storePathHash(claim.path) !== params.hash) {
        throw new BadRequestError(`store_path: ${claim.path} has not the hash ${params.hash}`);
      }
      const { user } = signedIn(caller);
      const { isNew } = await content.finish(cache, { claim, by: actorOf(request) }, user.id);
      return reply.code(201).send(ok({ store_path: storePathBase(claim.path), created: isNew }));
    },
  );
};
