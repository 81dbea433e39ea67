import { z } from "zod";
import { jobObject, jobObjectOf } from "../../../cuirass/evaluation-object.ts";
import { allJobsTexts, PIECE } from "../../../cuirass/list-all-jobs.ts";
import { namesOf, readQuery, requireNumber, textOf } from "../../../cuirass/query.ts";
import { visibleEvaluation } from "../../../cuirass/visible-projects.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { parameter, token } from "./parameters.ts";
import { sendJson, sendJsonTexts } from "../../send-json.ts";

const querystring = z.object({
  evaluation: parameter.meta({ description: "Number; it has to be there." }),
  names: parameter.meta({ description: "Separated by commas." }),
  system: parameter,
  token,
});

/** GET /api/jobs: all jobs of an evaluation by name, also those whose build an earlier one registered. */
export const listJobsRoute: Route = (api, services) => {
  const { cuirassEvaluations } = services;
  api.get(
    "/api/jobs",
    {
      schema: {
        summary: "Lists the jobs of an evaluation.",
        querystring,
        response: { 200: bareJsonAnswer("The jobs.", z.array(jobObject)) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const query = readQuery(originalUrl);
      const number = requireNumber(query, "evaluation", "Parameter not defined!");
      const names = namesOf(query, "names");
      const system = textOf(query, "system");
      const evaluation = await visibleEvaluation(services, caller, number);
      if (evaluation === null) return sendJson(reply, []);
      const of = { evaluation: number, ...(system === undefined ? {} : { system }) };
      const which = names === undefined ? { limit: PIECE + 1 } : { names };
      const jobs = cuirassEvaluations.evaluationJobs({ ...of, ...which });
      if (names === undefined && jobs.length > PIECE) {
        return sendJsonTexts(reply, allJobsTexts(cuirassEvaluations, of));
      }
      return sendJson(reply, jobs.map(jobObjectOf));
    },
  );
};
