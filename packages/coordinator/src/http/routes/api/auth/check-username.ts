import { z } from "zod";
import { isUsernameTaken } from "../../../../db/user-repository.ts";
import { usernameFault } from "../../../../rules/account.ts";
import type { Route } from "../../../api.ts";

const body = z.object({ username: z.string() });
const answer = z.object({ error: z.boolean(), message: z.string() });

/** POST /auth/check-username: always 200; `error` says whether the name can be had. */
export const checkUsernameRoute: Route = (api, { database }) => {
  api.post(
    "/auth/check-username",
    {
      config: { access: "none" },
      schema: {
        summary: "Says whether a username can be had; the answer is in `error`.",
        body,
        response: { 200: answer },
      },
    },
    async (request) => {
      const { username } = request.body;
      const fault = usernameFault(username);
      if (fault !== null) return { error: true, message: `This name cannot be used: ${fault}` };
      if (await isUsernameTaken(database.kysely, username, null)) {
        return { error: true, message: "This name is taken" };
      }
      return { error: false, message: "This name is available" };
    },
  );
};
