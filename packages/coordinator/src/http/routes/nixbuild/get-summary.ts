import { readFilter } from "../../../nixbuild/build-query.ts";
import { summaryObject, summaryOf } from "../../../nixbuild/summary.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { filterQuery } from "./filter-query.ts";
import { sendJson } from "../../send-json.ts";

/** GET /builds/summary: everything that matches, however much it is. */
export const getSummaryRoute: Route = (api, { authority, nixbuildSums, config }) => {
  api.get(
    "/builds/summary",
    {
      config: { access: "required" },
      schema: {
        summary: "Adds up builds.",
        querystring: filterQuery,
        response: { 200: bareJsonAnswer("The sums.", summaryObject) },
      },
    },
    async ({ caller, query }, reply) => {
      const filter = readFilter(query);
      const organizations = await authority.organizationsOfBuilds(caller);
      const sums = nixbuildSums.summary(organizations, filter);
      return sendJson(reply, summaryOf(sums, config.cpuAccounting));
    },
  );
};
