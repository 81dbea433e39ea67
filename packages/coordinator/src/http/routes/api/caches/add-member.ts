import { notManaged } from "../../../../auth/authority.ts";
import { addMember } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { nameOf, roleBody } from "../member-body.ts";
import { cacheParams } from "./cache.ts";

/** POST /caches/{cache}/members */
export const addCacheMemberRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/caches/:cache/members",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Makes a user a member of the cache.",
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
      await addMember(
        database,
        { kind: "cache", id: cache.id, name: cache.name },
        { mask, actor: actorOf(request) },
        { username, role: request.body.role },
        clock.now(),
      );
      return ok(`User "${username}" is a member now`);
    },
  );
};
