import { z } from "zod";
import { logIn } from "../../../accounts/log-in.ts";
import { normalUserCode } from "../../../auth/random-token.ts";
import { CoordinatorError } from "../../../errors.ts";
import { actorOf } from "../../actor.ts";
import type { Route } from "../../api.ts";
import { sessionCookie } from "../../cookies.ts";
import { checkFormToken } from "../../pages/form-token.ts";
import { sendSignInPage, type SignInAim } from "./sign-in-page.ts";

const body = z.object({
  loginname: z.string(),
  password: z.string(),
  code: z.string().max(32).optional(),
  next: z.string().max(2000).optional(),
  form_token: z.string(),
});

const querystring = z.object({ next: z.string().max(2000).default("/") });

/** GET /account/sign-in: asks who is there, and leads back to the page that was left. */
export const signInPage: Route = (api, services) => {
  api.get(
    "/account/sign-in",
    { config: { access: "none" }, schema: { querystring } },
    async (request, reply) =>
      sendSignInPage(services, request, reply, { next: localPath(request.query.next) }),
  );
};

/** The path, when it is one of this server, whatever a browser makes of slashes; else the front page. */
function localPath(path: string): string {
  const origin = "http://this.server";
  if (!path.startsWith("/") || !URL.canParse(path, origin)) return "/";
  const url = new URL(path, origin);
  return url.origin === origin ? url.pathname + url.search : "/";
}

function aimOf({
  code = "",
  next,
}: {
  code?: string | undefined;
  next?: string | undefined;
}): SignInAim {
  if (next !== undefined) return { next: localPath(next) };
  return { code: code === "" ? "" : normalUserCode(code) };
}

function addressOf(aim: SignInAim): string {
  if ("next" in aim) return aim.next;
  return `/account/cli-authorize?code=${encodeURIComponent(aim.code)}`;
}

/** POST /account/sign-in: opens a session and goes on to the device that waits, or back to the page that was left. */
export const signInForm: Route = (api, services) => {
  const { clock, serveUrl } = services;
  api.post(
    "/account/sign-in",
    { config: { access: "none" }, schema: { body } },
    async (request, reply) => {
      const { loginname: login, password, form_token: formToken } = request.body;
      checkFormToken(request, formToken);
      const aim = aimOf(request.body);
      const actor = actorOf(request);
      try {
        const attempt = { login, password, isRemembered: false, actor };
        const token = await logIn(services, attempt, clock.now());
        const isSecure = serveUrl.startsWith("https:");
        return reply
          .header("set-cookie", sessionCookie(token, { isSecure }))
          .redirect(addressOf(aim), 303);
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        const { message: fault, status } = error;
        return sendSignInPage(services, request, reply, { ...aim, fault, status });
      }
    },
  );
};
