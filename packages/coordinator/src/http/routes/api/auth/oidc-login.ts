import { z } from "zod";
import { redirectAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { errorEnvelope } from "../../../envelope.ts";
import { beginSignIn } from "./oidc-redirect.ts";

/** The page of a device login may be what somebody signs in for. */
const querystring = z.object({
  device: z
    .string()
    .regex(/^[A-Z0-9-]{1,16}$/)
    .optional(),
});

/** GET /auth/oidc/login: sends the browser to the provider. */
export const oidcLoginRoute: Route = (api, services) => {
  api.get(
    "/auth/oidc/login",
    {
      config: { access: "none" },
      schema: {
        summary: "Sends the browser to the OIDC provider to sign in.",
        querystring,
        response: { 302: redirectAnswer("To the provider."), 401: errorEnvelope },
      },
    },
    async (request, reply) =>
      reply.redirect(await beginSignIn(services, reply, request.query.device ?? null), 302),
  );
};
