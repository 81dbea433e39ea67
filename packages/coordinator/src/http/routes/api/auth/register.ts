import { z } from "zod";
import { signUp } from "../../../../accounts/sign-up.ts";
import { BadRequestError } from "../../../../errors.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  username: z.string(),
  name: z.string(),
  email: z.string(),
  password: z.string(),
});

/** POST /auth/basic/register */
export const registerRoute: Route = (api, services) => {
  const { config, isOidcRequired, clock } = services;
  api.post(
    "/auth/basic/register",
    {
      config: { access: "none" },
      schema: { summary: "Registers a user.", body, response: { 200: textEnvelope } },
    },
    async (request) => {
      if (!config.enableRegistration || isOidcRequired) {
        throw new BadRequestError("registration is switched off on this server", {
          code: "registration_disabled",
        });
      }
      const registration = { ...request.body, actor: actorOf(request) };
      const { id, isUnverified } = await signUp(services, registration, clock.now());
      return ok(
        isUnverified
          ? `User ${id} was registered; open the link that was mailed to you, then log in`
          : `User ${id} was registered; log in with the chosen name and password`,
      );
    },
  );
};
