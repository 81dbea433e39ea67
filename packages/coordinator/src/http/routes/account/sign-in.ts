import { z } from "zod";
import { logIn } from "../../../accounts/log-in.ts";
import { normalUserCode } from "../../../auth/random-token.ts";
import { CoordinatorError } from "../../../errors.ts";
import { actorOf } from "../../actor.ts";
import type { Route } from "../../api.ts";
import { sessionCookie } from "../../cookies.ts";
import { checkFormToken } from "../../pages/form-token.ts";
import { sendSignInPage } from "./sign-in-page.ts";

const body = z.object({
  loginname: z.string(),
  password: z.string(),
  code: z.string().max(32),
  form_token: z.string(),
});

/** POST /account/sign-in: opens a session and goes on to the device that waits. */
export const signInForm: Route = (api, services) => {
  const { clock, serveUrl } = services;
  api.post(
    "/account/sign-in",
    { config: { access: "none" }, schema: { body } },
    async (request, reply) => {
      const { loginname: login, password, form_token: formToken } = request.body;
      checkFormToken(request, formToken);
      const code = request.body.code === "" ? "" : normalUserCode(request.body.code);
      const actor = actorOf(request);
      try {
        const attempt = { login, password, isRemembered: false, actor };
        const token = await logIn(services, attempt, clock.now());
        const isSecure = serveUrl.startsWith("https:");
        return reply
          .header("set-cookie", sessionCookie(token, { isSecure }))
          .redirect(`/account/cli-authorize?code=${encodeURIComponent(code)}`, 303);
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        const { message: fault, status } = error;
        return sendSignInPage(services, request, reply, { code, fault, status });
      }
    },
  );
};
