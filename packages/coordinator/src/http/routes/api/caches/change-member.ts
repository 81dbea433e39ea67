import { notManaged } from "../../../../auth/authority.ts";
import { changeMemberRole } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { nameOf, roleBody } from "../member-body.ts";
import { cacheParams } from "./cache.ts";

/** PATCH /caches/{cache}/members */
export const changeCacheMemberRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/caches/:cache/members",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Gives a member of the cache another role.",
        params: cacheParams,
        body: roleBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { cache, mask } = await authority.cache(
        request.caller,
        request.params.cache,
        "manageCacheMembers",
      );
      notManaged(cache);
      const username = nameOf(request.body);
      await changeMemberRole(
        database,
        { kind: "cache", id: cache.id, name: cache.name },
        { mask, actor: actorOf(request) },
        { username, role: request.body.role },
        clock.now(),
      );
      return ok(`User "${username}" has the role ${request.body.role} now`);
    },
  );
};
