import { z } from "zod";
import { jobsetPage } from "../../../pages/jobset-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

const evaluationNumber = z.coerce.number().int().min(0).optional();

/** GET /jobset/:name: a project and its evaluations. */
export const showJobsetRoute: Route = (api, services) => {
  api.get(
    "/jobset/:name",
    {
      schema: {
        params: z.object({ name: z.string() }),
        querystring: z.object({ before: evaluationNumber, after: evaluationNumber }),
      },
    },
    async ({ caller, params, query }, reply) =>
      sendView(reply, await jobsetPage(services, caller, params.name, query)),
  );
};
