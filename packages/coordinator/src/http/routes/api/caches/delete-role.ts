import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { removeRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { roleParams } from "./role-params.ts";

/** DELETE /caches/{cache}/roles/{role} */
export const deleteCacheRoleRoute: Route = (api, { authority, database, clock }) => {
  api.delete(
    "/caches/:cache/roles/:role",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Deletes a role of the cache's own that no member has.",
        params: roleParams,
        response: { 200: envelope(z.literal(true)) },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(
        request.caller,
        request.params.cache,
        "manageCacheRoles",
      );
      notManaged(cache);
      await removeRole(
        database,
        { kind: "cache", id: cache.id, name: cache.name },
        actorOf(request),
        request.params.role,
        clock.now(),
      );
      return ok(true as const);
    },
  );
};
