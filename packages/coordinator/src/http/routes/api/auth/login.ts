import { z } from "zod";
import { logIn } from "../../../../accounts/log-in.ts";
import { REMEMBERED_SESSION_SECONDS } from "../../../../accounts/open-session.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  loginname: z.string(),
  password: z.string(),
  remember_me: z.boolean().nullish(),
});

/** POST /auth/basic/login: the token in the answer and in a cookie. */
export const loginRoute: Route = (api, services) => {
  api.post(
    "/auth/basic/login",
    {
      config: { access: "none" },
      schema: {
        summary: "Logs in with user name or e-mail address and password.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request, reply) => {
      const { loginname: login, password } = request.body;
      const isRemembered = request.body.remember_me ?? false;
      const actor = actorOf(request);
      const { clock, serveUrl } = services;
      const token = await logIn(services, { login, password, isRemembered, actor }, clock.now());
      const cookie = sessionCookie(token, {
        isSecure: serveUrl.startsWith("https:"),
        ...(isRemembered ? { maxAgeSeconds: REMEMBERED_SESSION_SECONDS } : {}),
      });
      return reply.header("set-cookie", cookie).send(ok(token));
    },
  );
};
