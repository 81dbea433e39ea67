import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { BadRequestError, ConflictError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const body = z.object({ mode: z.string().nullish() }).nullish();

/** POST /projects/{org}/{project}/evaluate, with or without a body: the answer is the new evaluation's id. */
export const evaluateProjectRoute: Route = (api, { authority, evaluations }) => {
  api.post(
    "/projects/:org/:project/evaluate",
    {
      config: { access: "required" },
      schema: {
        summary: "Starts an evaluation; the answer is its id.",
        params: projectParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const mode = request.body?.mode ?? null;
      if (mode !== null) {
        throw new BadRequestError(`mode "${mode}" is not known; leave it out for a new evaluation`);
      }
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "triggerEvaluation");
      try {
        const triggeredBy = signedIn(caller).user.id;
        return ok(await evaluations.start({ projectId: project.id, triggeredBy }));
      } catch (error) {
        // The API's clients know this refusal as 400.
        if (!(error instanceof ConflictError)) throw error;
        throw new BadRequestError(error.message, { cause: error });
      }
    },
  );
};
