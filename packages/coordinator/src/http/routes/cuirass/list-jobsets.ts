import { z } from "zod";
import { jobsetObject } from "../../../cuirass/jobset-object.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { token } from "./parameters.ts";
import { sendJsonText } from "../../send-json.ts";

/** GET /jobsets and /specifications, with anything behind them: the active projects. */
export const listJobsetsRoute: Route = (api, { authority, cuirassJobsets }) => {
  for (const path of ["/jobsets", "/jobsets/*", "/specifications", "/specifications/*"]) {
    api.get(
      path,
      {
        schema: {
          summary: "Lists the active jobsets.",
          querystring: z.object({ token }),
          response: { 200: bareJsonAnswer("The jobsets.", z.array(jobsetObject)) },
        },
      },
      async ({ caller }, reply) => {
        const organizations = await authority.organizationsToRead(caller);
        return sendJsonText(reply, cuirassJobsets.activeJobsetsText(organizations));
      },
    );
  }
};
