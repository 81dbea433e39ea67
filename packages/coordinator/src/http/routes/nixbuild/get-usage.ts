import { z } from "zod";
import { readDate } from "../../../nixbuild/build-query.ts";
import { usageObject, usageOf, usagePeriod } from "../../../nixbuild/usage.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { parameter } from "./filter-query.ts";
import { sendJson } from "../../send-json.ts";

const querystring = z.object({
  from: parameter.meta({ description: "Date; the first of this month when absent." }),
  to: parameter.meta({ description: "Date; not included." }),
});

/** GET /usage: of builds that stopped on these days, in UTC. */
export const getUsageRoute: Route = (api, { authority, nixbuildSums, config, clock }) => {
  api.get(
    "/usage",
    {
      config: { access: "required" },
      schema: {
        summary: "Adds up what is billable.",
        querystring,
        response: { 200: bareJsonAnswer("The sums.", usageObject) },
      },
    },
    async ({ caller, query }, reply) => {
      const period = usagePeriod(
        readDate("from", query.from),
        readDate("to", query.to),
        clock.now(),
      );
      const organizations = await authority.organizationsOfBuilds(caller);
      const sums = nixbuildSums.stopped(organizations, period);
      return sendJson(reply, usageOf(sums, config.cpuAccounting));
    },
  );
};
