import { z } from "zod";
import { historyObject, historyObjectOf } from "../../../cuirass/evaluation-object.ts";
import { namesOf, readQuery, requireLimit, textOf } from "../../../cuirass/query.ts";
import { parameterMissing } from "../../../cuirass/refusals.ts";
import { visibleJobset } from "../../../cuirass/visible-projects.ts";
import type { Route } from "../../api.ts";
import { bareJsonAnswer } from "../../answer-schemas.ts";
import { nr, parameter, token } from "./parameters.ts";
import { sendJson } from "../../send-json.ts";

const MAX_EVALUATIONS = 100;

const querystring = z.object({
  spec: parameter.meta({ description: "Jobset; `specification` is understood, too." }),
  names: parameter.meta({ description: "Separated by commas." }),
  nr: nr.meta({ description: "How many evaluations at most." }),
  token,
});

/** GET /api/jobs/history: of the newest evaluations that have one of the jobs. */
export const listJobsHistoryRoute: Route = (api, services) => {
  const { cuirassEvaluations } = services;
  api.get(
    "/api/jobs/history",
    {
      schema: {
        summary: "Lists what jobs came to in the last evaluations, newest first.",
        querystring,
        response: { 200: bareJsonAnswer("The history.", z.array(historyObject)) },
      },
    },
    async ({ caller, originalUrl }, reply) => {
      const query = readQuery(originalUrl);
      const spec = textOf(query, "spec") ?? textOf(query, "specification");
      const names = namesOf(query, "names");
      const limit = requireLimit(query, MAX_EVALUATIONS, "Parameter not defined");
      if (spec === undefined || names === undefined)
        throw parameterMissing("Parameter not defined");
      const jobset = await visibleJobset(services, caller, spec);
      if (jobset === null) return sendJson(reply, []);
      const history = cuirassEvaluations.jobsHistory({ project: jobset.projectId, names, limit });
      const numbers = history.map(({ evaluation }) => evaluation.number);
      const objects = cuirassEvaluations.evaluationObjects(numbers);
      const byNumber = new Map(objects.map((object) => [object.id, object]));
      return sendJson(
        reply,
        history.flatMap(({ evaluation: { number, isNewCommit }, jobs }) => {
          const object = byNumber.get(number);
          return object === undefined ? [] : [historyObjectOf(object, { isNewCommit, jobs })];
        }),
      );
    },
  );
};
