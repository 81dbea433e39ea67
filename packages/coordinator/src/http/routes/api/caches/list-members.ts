import { z } from "zod";
import { listMembers } from "../../../../db/member-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { memberSchema } from "../member-body.ts";
import { cacheParams } from "./cache.ts";

/** GET /caches/{cache}/members */
export const listCacheMembersRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/members",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lists the members of the cache with their roles.",
        params: cacheParams,
        response: { 200: envelope(z.array(memberSchema)) },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(request.caller, request.params.cache, "viewCache");
      const members = await listMembers(database.kysely, { kind: "cache", id: cache.id });
      return ok(members.map(({ username, role }) => ({ id: username, name: role })));
    },
  );
};
