import { z } from "zod";
import { readQuery, textOf } from "../../../cuirass/query.ts";
import { rssOf } from "../../../cuirass/rss.ts";
import { visibleProjects } from "../../../cuirass/visible-projects.ts";
import { textAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { parameter, token } from "./parameters.ts";

const MAX_EVENTS = 100;

/** GET /events/rss: the newest builds that broke or were fixed. */
export const getEventsRoute: Route = (api, services) => {
  const { cuirassBuilds, serveUrl } = services;
  api.get(
    "/events/rss",
    {
      schema: {
        summary: "Tells of builds that broke or were fixed.",
        querystring: z.object({
          specification: parameter.meta({ description: "Jobset; all without it." }),
          token,
        }),
        response: { 200: textAnswer("A feed.", "application/rss+xml") },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const jobset = textOf(readQuery(originalUrl), "specification");
      const projects = await visibleProjects(services, caller, jobset);
      const rows = cuirassBuilds.changedBuilds({ projects, limit: MAX_EVENTS });
      return reply
        .headers({
          "content-type": "application/rss+xml;charset=utf-8",
          "cache-control": "no-cache",
        })
        .send(rssOf(rows, { serveUrl, jobset: jobset ?? null }));
    },
  );
};
