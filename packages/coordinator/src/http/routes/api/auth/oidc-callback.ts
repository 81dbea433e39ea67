import { redirectAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { errorEnvelope } from "../../../envelope.ts";
import { endSignIn, returnQuery } from "./oidc-redirect.ts";

/** GET /auth/oidc/callback: where the provider sends the browser back to. */
export const oidcCallbackRoute: Route = (api, services) => {
  const isSecure = services.serveUrl.startsWith("https:");
  api.get(
    "/auth/oidc/callback",
    {
      config: { access: "none" },
      schema: {
        summary: "Signs in who comes back from the OIDC provider.",
        querystring: returnQuery,
        response: { 302: redirectAnswer("To the page that says so."), 401: errorEnvelope },
      },
    },
    async (request, reply) => {
      const { token, device, clearingCookie } = await endSignIn(
        services,
        request,
        request.query.code,
      );
      const page = "/account/oidc-callback";
      return reply
        .header("set-cookie", [sessionCookie(token, { isSecure }), clearingCookie])
        .redirect(device === null ? page : `${page}?device=${device}`, 302);
    },
  );
};
