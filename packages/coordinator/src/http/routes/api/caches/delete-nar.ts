import { emptyAnswer } from "../../../answer-schemas.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { narParams } from "./nar-params.ts";

/** DELETE /caches/{cache}/nars/{hash} */
export const deleteNarRoute: Route = (api, { authority, content, narinfoLane }) => {
  api.delete(
    "/caches/:cache/nars/:hash",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary:
          "Takes a path out of a cache, unless another one of it refers to it; its bytes go when no cache has them any more",
        params: narParams,
        response: { 204: emptyAnswer("The path is gone.") },
      },
    },
    async (request, reply) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "writeStore");
      await content.remove(cache, params.hash, actorOf(request));
      narinfoLane.forgetPath(cache.name, params.hash);
      return reply.code(204).send(null);
    },
  );
};
