import { z } from "zod";
import { evaluationPage } from "../../../pages/evaluation-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

/** A status that is not known counts as none: addresses of Cuirass go on to lead somewhere. */
const querystring = z.object({
  status: z.enum(["succeeded", "failed", "newly-failed", "pending", "all"]).catch("all"),
  after: z.string().max(1000).optional(),
  before: z.string().max(1000).optional(),
  paginate: z.string().optional(),
});

/** GET /eval/:number: an evaluation and its jobs. */
export const showEvaluationRoute: Route = (api, services) => {
  api.get(
    "/eval/:number",
    { schema: { params: z.object({ number: z.string() }), querystring } },
    async ({ caller, params, query }, reply) => {
      const { paginate, ...rest } = query;
      const isPaged = paginate !== "0";
      const view = await evaluationPage(services, caller, params.number, { ...rest, isPaged });
      return sendView(reply, view);
    },
  );
};
