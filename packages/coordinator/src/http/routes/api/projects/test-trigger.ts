import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { fireTrigger } from "../../../../triggers/fire-trigger.ts";
import { getTrigger } from "../../../../triggers/get-trigger.ts";
import type { TriggerOutcome } from "../../../../ports.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok } from "../../../envelope.ts";
import { triggerParams } from "./trigger.ts";

const outcome = z.object({
  outcome: z.enum(["Created", "SkippedSameCommit", "SkippedConcurrency", "SkippedInactive"]),
  evaluation_id: z.uuid().optional(),
});

const WORDS = {
  created: "Created",
  same_commit: "SkippedSameCommit",
  concurrency: "SkippedConcurrency",
  inactive: "SkippedInactive",
} as const satisfies Record<TriggerOutcome["outcome"], string>;

/** POST /projects/{org}/{project}/triggers/{id}/test */
export const testTriggerRoute: Route = (api, services) => {
  const { authority, database, evaluations, repositories, clock } = services;
  api.post(
    "/projects/:org/:project/triggers/:id/test",
    {
      config: { access: "required" },
      schema: {
        summary: "Fires a trigger at once, for the newest commit.",
        params: triggerParams,
        response: { 200: envelope(outcome), 503: errorEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "triggerEvaluation");
      const db = database.kysely;
      const trigger = await getTrigger(db, project, params.id);
      const fired = await fireTrigger(
        { db, evaluations, repositories },
        { project, trigger, triggeredBy: signedIn(caller).user.id },
        clock.now(),
      );
      return ok({
        outcome: WORDS[fired.outcome],
        ...(fired.outcome === "created" ? { evaluation_id: fired.evaluation } : {}),
      });
    },
  );
};
