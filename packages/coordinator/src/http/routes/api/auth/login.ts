import { z } from "zod";
import { logIn, REMEMBERED_SESSION_SECONDS } from "../../../../accounts/log-in.ts";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  loginname: z.string(),
  password: z.string(),
  remember_me: z.boolean().nullish(),
});

/** POST /auth/basic/login: the token in the answer and in a cookie. */
export const loginRoute: Route = (api, { database, tokens, clock, serveUrl }) => {
  api.post(
    "/auth/basic/login",
    { config: { access: "none" }, schema: { body, response: { 200: textEnvelope } } },
    async (request, reply) => {
      const isRemembered = request.body.remember_me ?? false;
      const token = await logIn(
        { db: database.kysely, tokens },
        { login: request.body.loginname, password: request.body.password, isRemembered },
        clock.now(),
      );
      const cookie = sessionCookie(token, {
        isSecure: serveUrl.startsWith("https:"),
        ...(isRemembered ? { maxAgeSeconds: REMEMBERED_SESSION_SECONDS } : {}),
      });
      return reply.header("set-cookie", cookie).send(ok(token));
    },
  );
};
