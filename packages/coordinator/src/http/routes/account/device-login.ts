import { z } from "zod";
import { decideLogin, findPendingLogin } from "../../../accounts/device-login.ts";
import { normalUserCode } from "../../../auth/random-token.ts";
import { CoordinatorError } from "../../../errors.ts";
import { actorOf } from "../../actor.ts";
import type { Route, Services } from "../../api.ts";
import { toTimestamp } from "../../envelope.ts";
import { checkFormToken, formTokenField } from "../../pages/form-token.ts";
import { html } from "../../pages/html.ts";
import { sendPage, type Page } from "../../pages/page.ts";
import { sendSignInPage } from "./sign-in-page.ts";

const querystring = z.object({ code: z.string().max(32).default("") });

const body = z.object({
  code: z.string().max(32),
  decision: z.enum(["authorized", "denied"]),
  form_token: z.string(),
});

/** `fault`: what was wrong with the code that was typed before. */
function askForCode(fault: CoordinatorError | null): Page {
  return {
    title: "Sign a program in",
    status: fault?.status ?? 200,
    content: html`${fault === null ? null : html`<p class="fault">${fault.message}</p>`}
      <p>Type the code that the program shows.</p>
      <form method="get" action="/account/cli-authorize">
        <label
          >Code
          <input name="code" autocomplete="off" autocapitalize="characters" required autofocus
        /></label>
        <button>Go on</button>
      </form>`,
  };
}

type PendingLogin = Awaited<ReturnType<typeof findPendingLogin>>;

/** The program that waits under the code; else what is wrong with the code. */
async function findWaiting(
  { database, clock }: Pick<Services, "database" | "clock">,
  code: string,
): Promise<PendingLogin | CoordinatorError> {
  try {
    return await findPendingLogin(database.kysely, code, clock.now());
  } catch (error) {
    if (error instanceof CoordinatorError) return error;
    throw error;
  }
}

/** GET /account/cli-authorize: which program asks, and whether it may. */
export const deviceLoginPage: Route = (api, services) => {
  const { serveUrl } = services;
  api.get(
    "/account/cli-authorize",
    { config: { access: "optional" }, schema: { querystring } },
    async (request, reply) => {
      const { caller } = request;
      const code = request.query.code === "" ? "" : normalUserCode(request.query.code);
      if (caller.kind === "anonymous" || caller.sessionId === null) {
        return sendSignInPage(services, request, reply, { code });
      }
      if (code === "") return sendPage(reply, askForCode(null));
      const login = await findWaiting(services, code);
      if (login instanceof CoordinatorError) return sendPage(reply, askForCode(login));
      const field = formTokenField(request, reply, serveUrl.startsWith("https:"));
      return sendPage(reply, {
        title: "A program wants to use your account",
        content: html`<p>
            Let it in only if you have just started it yourself and it shows exactly this code:
          </p>
          <p><code>${login.userCode}</code></p>
          <dl>
            <dt>Program</dt>
            <dd>${login.user_agent ?? "it does not say"}</dd>
            <dt>Address</dt>
            <dd>${login.ip ?? "unknown"}</dd>
            <dt>Asked at</dt>
            <dd>${toTimestamp(login.created_at)}</dd>
            <dt>Your account</dt>
            <dd>${caller.user.username}</dd>
          </dl>
          <form method="post" action="/account/cli-authorize">
            ${field}
            <input type="hidden" name="code" value="${login.userCode}" />
            <button name="decision" value="authorized">Let it in</button>
            <button name="decision" value="denied">Keep it out</button>
          </form>`,
      });
    },
  );
};

/** POST /account/cli-authorize: what the page's buttons send. */
export const deviceLoginForm: Route = (api, services) => {
  const { database, clock } = services;
  api.post(
    "/account/cli-authorize",
    { config: { access: "optional" }, schema: { body } },
    async (request, reply) => {
      const { caller } = request;
      const { code, decision, form_token: formToken } = request.body;
      checkFormToken(request, formToken);
      if (caller.kind === "anonymous" || caller.sessionId === null) {
        return sendSignInPage(services, request, reply, { code: normalUserCode(code) });
      }
      const { user } = caller;
      const actor = actorOf(request);
      await decideLogin(database, { typedCode: code, decision, user, actor }, clock.now());
      const isIn = decision === "authorized";
      return sendPage(reply, {
        title: isIn ? "The program is signed in" : "The program was kept out",
        content: html`<p>
          ${isIn ? "It goes on by itself." : "It is told so."} You can close this page.
        </p>`,
      });
    },
  );
};
