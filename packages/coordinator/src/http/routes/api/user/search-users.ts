import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { searchUsers } from "../../../../db/user-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const MAX_USERS = 10;

const querystring = z.object({ q: z.string().trim().min(1, "is empty").max(100) });
const found = z.object({ id: z.uuid(), username: z.string(), name: z.string() });

/** GET /user/search: for dialogs that add members. */
export const searchUsersRoute: Route = (api, { database }) => {
  api.get(
    "/user/search",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Finds at most ten users whose user name or name begins with a text, or whose e-mail address it is.",
        querystring,
        response: { 200: envelope(z.array(found)) },
      },
    },
    async (request) => {
      signedIn(request.caller);
      return ok(await searchUsers(database.kysely, request.query.q, MAX_USERS));
    },
  );
};
