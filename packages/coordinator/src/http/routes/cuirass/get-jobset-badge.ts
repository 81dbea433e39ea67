import { z } from "zod";
import { jobsetBadge } from "../../../cuirass/jobset-badge.ts";
import { readQuery, textOf } from "../../../cuirass/query.ts";
import { visibleJobset } from "../../../cuirass/visible-projects.ts";
import { textAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { parameter, token } from "./parameters.ts";

/** GET /jobset/NAME/badge.svg: of the newest evaluation whose jobs are known. A jobset that is not there has a badge that says so, since pages show it. */
export const getJobsetBadgeRoute: Route = (api, services) => {
  const { cuirassEvaluations, jobCounts } = services;
  api.get(
    "/jobset/:name/badge.svg",
    {
      schema: {
        summary: "Draws how the jobs of a jobset stand.",
        params: z.object({ name: z.string() }),
        querystring: z.object({
          type: parameter.meta({ description: "Anything but 0 shows the jobset's name." }),
          token,
        }),
        response: { 200: textAnswer("The badge.", "image/svg+xml") },
      },
    },
    async ({ caller, originalUrl, params }, reply) => {
      const jobset = await visibleJobset(services, caller, params.name);
      const newest = jobset === null ? null : cuirassEvaluations.latestSucceeded(jobset.projectId);
      const type = textOf(readQuery(originalUrl), "type") ?? "0";
      const isNamed = jobset !== null && /^\d+$/.test(type) && Number(type) !== 0;
      reply.headers({
        "content-type": "image/svg+xml",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      });
      const jobs = newest === null ? null : jobCounts.of(newest);
      return reply.send(jobsetBadge(isNamed ? jobset.name : "jobs", jobs));
    },
  );
};
