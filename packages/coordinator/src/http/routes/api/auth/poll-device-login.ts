import { z } from "zod";
import { pollDeviceLogin } from "../../../../accounts/device-login.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({ device_code: z.string() });

/** POST /auth/cli/poll: the token, once; before that 400 with code `cli_auth_pending`. */
export const pollDeviceLoginRoute: Route = (api, services) => {
  api.post(
    "/auth/cli/poll",
    {
      config: { access: "none" },
      schema: {
        summary: "Answers with the token of a program's login as soon as it was authorized.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { device_code: deviceCode } = request.body;
      const actor = actorOf(request);
      return ok(await pollDeviceLogin(services, { deviceCode, actor }, services.clock.now()));
    },
  );
};
