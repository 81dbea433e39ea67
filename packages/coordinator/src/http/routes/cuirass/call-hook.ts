import { z } from "zod";
import { missingJobset } from "../../../cuirass/refusals.ts";
import { hookedJobset } from "../../../cuirass/visible-projects.ts";
import { askForLook } from "../../../triggers/ask-for-look.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { token } from "./parameters.ts";
import { sendJson } from "../../send-json.ts";

/** POST /jobset/NAME/hook/evaluate: asks for a look at the repository; what is evaluated is its newest commit, and only once. The body says nothing. */
export const callHookRoute: Route = (api, services) => {
  const { database, clock } = services;
  api.post(
    "/jobset/:name/hook/evaluate",
    {
      schema: {
        summary: "Asks for a look at a jobset's repository.",
        params: z.object({ name: z.string() }),
        querystring: z.object({ token }),
        response: { 200: bareJsonAnswer("The jobset.", z.object({ jobset: z.string() })) },
      },
    },
    async ({ caller, params }, reply) => {
      const jobset = await hookedJobset(services, caller, params.name);
      if (jobset === null) throw missingJobset();
      await askForLook(database, jobset.projectId, clock.now());
      return sendJson(reply, { jobset: jobset.name });
    },
  );
};
