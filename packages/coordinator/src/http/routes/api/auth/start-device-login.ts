import { z } from "zod";
import { startDeviceLogin } from "../../../../accounts/device-login.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

/** How often a program may ask, in seconds. */
const INTERVAL_SECONDS = 3;

const started = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.url(),
  verification_uri_complete: z.url(),
  expires_in: z.int(),
  interval: z.int(),
});

/** POST /auth/cli/start */
export const startDeviceLoginRoute: Route = (api, { database, clock, serveUrl }) => {
  api.post(
    "/auth/cli/start",
    {
      config: { access: "none" },
      schema: {
        summary: "Begins the login of a program that somebody authorizes in a browser.",
        response: { 200: envelope(started) },
      },
    },
    async (request) => {
      const codes = await startDeviceLogin(database, actorOf(request), clock.now());
      const page = `${serveUrl}/account/cli-authorize`;
      return ok({
        device_code: codes.deviceCode,
        user_code: codes.userCode,
        verification_uri: page,
        verification_uri_complete: `${page}?code=${codes.userCode}`,
        expires_in: codes.expiresInSeconds,
        interval: INTERVAL_SECONDS,
      });
    },
  );
};
