import { z } from "zod";
import { decideLogin } from "../../../../accounts/device-login.ts";
import { bySession } from "../../../../auth/authority.ts";
import { actorOf } from "../../../actor.ts";
import type { Api, Route, Services } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({ user_code: z.string() });

/** POST /auth/cli/authorize */
export const authorizeDeviceLoginRoute: Route = (api, services) => {
  addDecision(api, services, {
    path: "/auth/cli/authorize",
    decision: "authorized",
    summary: "Lets a program that shows this code in as the caller.",
    answer: "The program is signed in",
  });
};

/** POST /auth/cli/deny */
export const denyDeviceLoginRoute: Route = (api, services) => {
  addDecision(api, services, {
    path: "/auth/cli/deny",
    decision: "denied",
    summary: "Keeps a program that shows this code out.",
    answer: "The program was kept out",
  });
};

function addDecision(
  api: Api,
  { database, clock }: Services,
  route: { path: string; decision: "authorized" | "denied"; summary: string; answer: string },
): void {
  const { summary, decision } = route;
  api.post(
    route.path,
    {
      config: { access: "required" },
      schema: { summary, body, response: { 200: textEnvelope } },
    },
    async (request) => {
      const { user } = bySession(request.caller);
      const typedCode = request.body.user_code;
      const actor = actorOf(request);
      await decideLogin(database, { typedCode, decision, user, actor }, clock.now());
      return ok(route.answer);
    },
  );
}
