import { z } from "zod";
import type { Route } from "../../api.ts";
import { html } from "../../pages/html.ts";
import { sendPage } from "../../pages/page.ts";

const querystring = z.object({ device: z.string().max(32).optional() });

/** GET /account/oidc-callback: where signing in with the OIDC provider ends. */
export const oidcCallbackPage: Route = (api) => {
  api.get(
    "/account/oidc-callback",
    { config: { access: "none" }, schema: { querystring } },
    async (request, reply) => {
      const { device } = request.query;
      // A link, not a redirect: only then does the browser count the next page as ours and send the session's cookie.
      const next =
        device === undefined
          ? html`<p>You can close this page.</p>`
          : html`<p>
              <a href="/account/cli-authorize?code=${encodeURIComponent(device)}"
                >Go on to the program that waits</a
              >
            </p>`;
      return sendPage(reply, { title: "You are signed in", content: next });
    },
  );
};
