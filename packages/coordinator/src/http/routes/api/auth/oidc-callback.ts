import { z } from "zod";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { endSignIn, returnQuery } from "./oidc-redirect.ts";

const noContent = z.null().describe("Location is the page that says so.");

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
        response: { 302: noContent },
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
