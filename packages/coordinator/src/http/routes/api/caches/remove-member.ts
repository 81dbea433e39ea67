import { notManaged } from "../../../../auth/authority.ts";
import { removeMember } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { memberBody, nameOf } from "../member-body.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache}/members */
export const removeCacheMemberRoute: Route = (api, { authority, database, clock }) => {
  api.delete(
    "/caches/:cache/members",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Ends the membership of a user in the cache.",
        params: cacheParams,
        body: memberBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(
        request.caller,
        request.params.cache,
        "manageCacheMembers",
      );
      notManaged(cache);
      const username = nameOf(request.body);
      await removeMember(
        database,
        { kind: "cache", id: cache.id, name: cache.name },
        actorOf(request),
        username,
        clock.now(),
      );
      return ok(`User "${username}" is no member any more`);
    },
  );
};
