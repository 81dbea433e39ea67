import { z } from "zod";
import { registerUser } from "../../../../accounts/register-user.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  username: z.string(),
  name: z.string(),
  email: z.string(),
  password: z.string(),
});

/** POST /auth/basic/register */
export const registerRoute: Route = (api, { config, database, clock }) => {
  api.post(
    "/auth/basic/register",
    {
      config: { access: "none" },
      schema: { summary: "Registers a user.", body, response: { 200: textEnvelope } },
    },
    async (request) => {
      if (!config.enableRegistration) {
        throw new BadRequestError("registration is switched off on this server", {
          code: "registration_disabled",
        });
      }
      const registration = { ...request.body, isSuperuser: false };
      const id = await registerUser(database.kysely, registration, clock.now());
      return ok(`User ${id} was registered; log in with the chosen name and password`);
    },
  );
};
