import { z } from "zod";
import { buildObject } from "../../../cuirass/build-object.ts";
import { describeBuilds } from "../../../cuirass/describe-builds.ts";
import { numberOf, readQuery } from "../../../cuirass/query.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { buildFilter, parameter } from "./parameters.ts";
import { readBuildFilter } from "./build-filter.ts";
import { sendJsonText } from "../../send-json.ts";

const querystring = buildFilter.extend({
  status: parameter.meta({ description: "One end state; Guix's client sends 0." }),
});

/** GET /api/latestbuilds: finished builds, those of the newest evaluation first. */
export const listLatestBuildsRoute: Route = (api, services) => {
  const { cuirassBuilds } = services;
  api.get(
    "/api/latestbuilds",
    {
      schema: {
        summary: "Lists finished builds, those of the newest evaluation first.",
        querystring,
        response: { 200: bareJsonAnswer("The builds.", z.array(buildObject)) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const query = readQuery(originalUrl);
      const filter = await readBuildFilter(services, caller, query);
      const status = numberOf(query, "status");
      const numbers = cuirassBuilds.latestBuilds({
        ...filter,
        ...(typeof status === "number" ? { status } : {}),
      });
      return sendJsonText(reply, await describeBuilds(services, numbers));
    },
  );
};
