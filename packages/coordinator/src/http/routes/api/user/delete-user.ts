import { z } from "zod";
import { removeOwnUser } from "../../../../accounts/delete-user.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { sessionCookie } from "../../../cookies.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z
  .object({ password: z.string().nullish(), confirm_username: z.string().nullish() })
  .nullish();

/** DELETE /user */
export const deleteUserRoute: Route = (api, { database, clock, serveUrl }) => {
  api.delete(
    "/user",
    {
      config: { access: "required" },
      schema: {
        summary: "Deletes the caller's account; refused while it is the only Admin of something.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request, reply) => {
      const { user } = bySession(request.caller);
      const confirmation = {
        password: request.body?.password ?? null,
        username: request.body?.confirm_username ?? null,
      };
      await removeOwnUser(database, { user, confirmation, actor: actorOf(request) }, clock.now());
      const isSecure = serveUrl.startsWith("https:");
      return reply
        .header("set-cookie", sessionCookie("", { isSecure, maxAgeSeconds: 0 }))
        .send(ok(`The account "${user.username}" was deleted`));
    },
  );
};
