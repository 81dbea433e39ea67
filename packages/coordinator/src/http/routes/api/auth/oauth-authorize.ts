import type { Route } from "../../../api.ts";
import { errorEnvelope, ok, textEnvelope } from "../../../envelope.ts";
import { beginSignIn, endSignIn, returnQuery } from "./oidc-redirect.ts";

/** POST /auth/oauth/authorize: for programs that send the browser to the provider themselves. */
export const beginOauthRoute: Route = (api, services) => {
  api.post(
    "/auth/oauth/authorize",
    {
      config: { access: "none" },
      schema: {
        summary: "Answers with the URL at which to sign in with the OIDC provider.",
        response: { 200: textEnvelope },
      },
    },
    async (_request, reply) => ok(await beginSignIn(services, reply, null)),
  );
};

/** GET /auth/oauth/authorize: as the callback, but the token is in the answer and in no cookie. */
export const endOauthRoute: Route = (api, services) => {
  api.get(
    "/auth/oauth/authorize",
    {
      config: { access: "none" },
      schema: {
        summary: "Exchanges the code of the OIDC provider for a token.",
        querystring: returnQuery,
        response: { 200: textEnvelope, 401: errorEnvelope },
      },
    },
    async (request, reply) => {
      const { token, clearingCookie } = await endSignIn(services, request, request.query.code);
      return reply.header("set-cookie", clearingCookie).send(ok(token));
    },
  );
};
