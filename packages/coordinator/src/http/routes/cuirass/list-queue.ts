import { z } from "zod";
import { buildObject } from "../../../cuirass/build-object.ts";
import { describeBuilds } from "../../../cuirass/describe-builds.ts";
import { readQuery } from "../../../cuirass/query.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { readBuildFilter } from "./build-filter.ts";
import { buildFilter } from "./parameters.ts";
import { sendJsonText } from "../../send-json.ts";

/** GET /api/queue: what runs and what waits, in the order of scheduling. */
export const listQueueRoute: Route = (api, services) => {
  const { cuirassBuilds } = services;
  api.get(
    "/api/queue",
    {
      schema: {
        summary: "Lists builds that run or wait, in the order of scheduling.",
        querystring: buildFilter,
        response: { 200: bareJsonAnswer("The builds.", z.array(buildObject)) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const filter = await readBuildFilter(services, caller, readQuery(originalUrl));
      return sendJsonText(reply, await describeBuilds(services, cuirassBuilds.queue(filter)));
    },
  );
};
