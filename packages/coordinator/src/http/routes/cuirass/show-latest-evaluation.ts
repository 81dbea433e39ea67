import { z } from "zod";
import { readQuery, textOf } from "../../../cuirass/query.ts";
import { visibleJobset } from "../../../cuirass/visible-projects.ts";
import { redirectAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { parameter, token } from "./parameters.ts";
import { sendNoResource } from "./cuirass-errors.ts";

/** GET /eval/latest and /eval/latest/dashboard: lead to the newest evaluation of a jobset whose jobs are known. */
export const showLatestEvaluationRoute: Route = (api, services) => {
  const { cuirassEvaluations } = services;
  for (const page of ["", "/dashboard"] as const) {
    api.get(
      `/eval/latest${page}`,
      {
        schema: {
          summary: "Leads to the newest evaluation of a jobset.",
          querystring: z.object({ spec: parameter, system: parameter, token }),
          response: { 302: redirectAnswer("The evaluation's page.") },
        },
      },
      async (request, reply) => {
        const query = readQuery(request.originalUrl);
        const spec = textOf(query, "spec");
        const jobset =
          spec === undefined ? null : await visibleJobset(services, request.caller, spec);
        const newest =
          jobset === null ? null : cuirassEvaluations.latestSucceeded(jobset.projectId);
        if (newest === null) return sendNoResource(request, reply);
        const system = page === "" ? undefined : textOf(query, "system");
        const more = system === undefined ? "" : `?system=${encodeURIComponent(system)}`;
        return reply.redirect(`/eval/${newest.number}${page}${more}`, 302);
      },
    );
  }
};
