import { z } from "zod";
import { verifyEmail } from "../../../../accounts/verify-email.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const querystring = z.object({ token: z.string().min(1, "is empty") });

/** GET /auth/verify-email: the link that is mailed. */
export const verifyEmailRoute: Route = (api, { database, verification, clock }) => {
  api.get(
    "/auth/verify-email",
    {
      config: { access: "none" },
      schema: {
        summary: "Verifies an e-mail address by the token that was mailed to it.",
        querystring,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      if (verification === null) {
        throw new BadRequestError("this server does not verify e-mail addresses");
      }
      const result = await verifyEmail(database, request.query.token, clock.now());
      return ok(
        result === "verified"
          ? "Your e-mail address is verified; log in with your name and password"
          : "Your e-mail address was verified before; log in with your name and password",
      );
    },
  );
};
