import { z } from "zod";
import { logOut } from "../../../accounts/log-out.ts";
import { actorOf } from "../../actor.ts";
import type { Route } from "../../api.ts";
import { sessionCookie } from "../../cookies.ts";
import { checkFormToken, formTokenField } from "../../pages/form-token.ts";
import { html } from "../../pages/html.ts";
import { sendPage } from "../../pages/page.ts";

/** GET /account/sign-out: asks whether the session of this browser is to end. */
export const signOutPage: Route = (api, { serveUrl }) => {
  api.get("/account/sign-out", { config: { access: "optional" } }, async (request, reply) => {
    const { caller } = request;
    if (caller.kind === "anonymous") {
      return sendPage(reply, { title: "You are not signed in", content: html`` });
    }
    const field = formTokenField(request, reply, serveUrl.startsWith("https:"));
    return sendPage(reply, {
      title: "Sign out",
      content: html`<p>You are signed in as ${caller.user.username}.</p>
        <form method="post" action="/account/sign-out">
          ${field}
          <button>Sign out</button>
        </form>`,
    });
  });
};

const body = z.object({ form_token: z.string() });

/** POST /account/sign-out: ends the session of this browser. */
export const signOutForm: Route = (api, { database, clock, serveUrl }) => {
  api.post(
    "/account/sign-out",
    { config: { access: "optional" }, schema: { body } },
    async (request, reply) => {
      const { caller, body: form } = request;
      checkFormToken(request, form.form_token);
      if (caller.kind === "signed-in" && caller.sessionId !== null) {
        const { sessionId } = caller;
        await logOut(database, { sessionId, actor: actorOf(request) }, clock.now());
      }
      const isSecure = serveUrl.startsWith("https:");
      return reply
        .header("set-cookie", sessionCookie("", { isSecure, maxAgeSeconds: 0 }))
        .redirect("/", 303);
    },
  );
};
