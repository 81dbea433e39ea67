import { z } from "zod";
import { cachePermissions, organizationPermissions } from "../../../../auth/permissions.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const entries = z.array(z.object({ id: z.string(), mutating: z.boolean() }));

const catalogues = z.object({ available_permissions: entries, availableCache: entries });

/** GET /user/keys/permissions */
export const listPermissionsRoute: Route = (api) => {
  api.get(
    "/user/keys/permissions",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the permissions that a key can have.",
        response: { 200: envelope(catalogues) },
      },
    },
    () =>
      ok({
        available_permissions: [...organizationPermissions],
        availableCache: [...cachePermissions],
      }),
  );
};
