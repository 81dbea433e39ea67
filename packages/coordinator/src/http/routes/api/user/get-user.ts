import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const user = z.object({
  id: z.uuid(),
  username: z.string(),
  name: z.string(),
  email: z.string(),
  superuser: z.boolean(),
});

/** GET /user */
export const getUserRoute: Route = (api) => {
  api.get(
    "/user",
    {
      config: { access: "required" },
      schema: { summary: "Shows the current user.", response: { 200: envelope(user) } },
    },
    (request) => {
      const { id, username, name, email, superuser } = signedIn(request.caller).user;
      return ok({ id, username, name, email, superuser: superuser === 1 });
    },
  );
};
