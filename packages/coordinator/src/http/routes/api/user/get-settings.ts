import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const profile = z.object({
  username: z.string(),
  name: z.string(),
  email: z.string(),
  is_oidc: z.boolean(),
  managed: z.boolean(),
});

/** GET /user/settings */
export const getSettingsRoute: Route = (api) => {
  api.get(
    "/user/settings",
    {
      config: { access: "required" },
      schema: { summary: "Shows the caller's profile.", response: { 200: envelope(profile) } },
    },
    (request) => {
      const { user } = signedIn(request.caller);
      return ok({
        username: user.username,
        name: user.name,
        email: user.email,
        is_oidc: user.password_hash === null,
        managed: user.managed === 1,
      });
    },
  );
};
