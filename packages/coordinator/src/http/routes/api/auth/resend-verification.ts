import { z } from "zod";
import { resendVerification } from "../../../../accounts/verify-email.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({ username: z.string() });

/** POST /auth/resend-verification */
export const resendVerificationRoute: Route = (api, { database, verification, logger, clock }) => {
  api.post(
    "/auth/resend-verification",
    {
      config: { access: "none" },
      schema: {
        summary: "Mails another link that verifies an e-mail address.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      if (verification === null) {
        throw new BadRequestError("this server does not verify e-mail addresses");
      }
      const { username } = request.body;
      await resendVerification({ database, verification, logger }, username, clock.now());
      return ok("Another link was mailed; those before do not work any more");
    },
  );
};
