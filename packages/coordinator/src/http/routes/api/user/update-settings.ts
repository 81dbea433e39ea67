import { z } from "zod";
import { changeProfile } from "../../../../accounts/change-profile.ts";
import { bySession } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  username: z.string().nullish(),
  name: z.string().nullish(),
  email: z.string().nullish(),
});

/** PATCH /user/settings: what is absent or null stays as it is. */
export const updateSettingsRoute: Route = (api, services) => {
  api.patch(
    "/user/settings",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes the caller's user name, name or e-mail address.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { user } = bySession(request.caller);
      const { username, name, email } = request.body;
      const change = {
        username: username ?? undefined,
        name: name ?? undefined,
        email: email ?? undefined,
      };
      const isUnverified = await changeProfile(services, user, change, services.clock.now());
      return ok(
        isUnverified
          ? "Settings were changed; open the link that was mailed to the new address before you log in again"
          : "Settings were changed",
      );
    },
  );
};
