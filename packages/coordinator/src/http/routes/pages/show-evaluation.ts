import { z } from "zod";
import type { StopPlace } from "../../../db/page-jobs-view.ts";
import { evaluationPage } from "../../../pages/evaluation-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

const borderSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)
  .optional()
  .catch(undefined);

/** A status that is not known, and a border that is no number, counts as none: addresses of Cuirass go on to lead somewhere. */
const querystring = z.object({
  status: z.enum(["succeeded", "failed", "newly-failed", "pending", "all"]).catch("all"),
  after: z.string().max(1000).optional(),
  before: z.string().max(1000).optional(),
  paginate: z.string().optional(),
  "border-high-time": borderSchema,
  "border-high-id": borderSchema,
  "border-low-time": borderSchema,
  "border-low-id": borderSchema,
});

/** Half of a border is none. */
function borderOf(second: number | undefined, number: number | undefined): StopPlace | undefined {
  return second === undefined || number === undefined ? undefined : { second, number };
}

/** GET /eval/:number: an evaluation and its jobs. */
export const showEvaluationRoute: Route = (api, services) => {
  api.get(
    "/eval/:number",
    { schema: { params: z.object({ number: z.string() }), querystring } },
    async ({ caller, params, query }, reply) => {
      const { status, after, before, paginate } = query;
      const view = await evaluationPage(services, caller, params.number, {
        status,
        after,
        before,
        high: borderOf(query["border-high-time"], query["border-high-id"]),
        low: borderOf(query["border-low-time"], query["border-low-id"]),
        isPaged: paginate !== "0",
      });
      return sendView(reply, view);
    },
  );
};
