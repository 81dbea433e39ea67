import { organizationIdSchema } from "@gradient/protocol";
import { signedIn } from "../../../../auth/authority.ts";
import { evaluateNar } from "../../../../build-requests/evaluate-nar.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok } from "../../../envelope.ts";
import {
  organizationQuery,
  requestBody,
  startedEnvelope,
  toBuildRequest,
  toStarted,
  uploadParams,
} from "./build-request.ts";

/** What is no NAR will not be one the next time. */
function isNoNar(error: unknown): boolean {
  return error instanceof BadRequestError && error.code === "bad_nar";
}

/** POST /build-requests/source/{upload}/finalize?organization=O */
export const finalizeSourceRoute: Route = (
  api,
  { authority, database, sources, nars, workers, sourceUploads },
) => {
  api.post(
    "/build-requests/source/:upload/finalize",
    {
      config: { access: "required" },
      schema: {
        summary: "Verifies the NAR that was uploaded in pieces and queues its evaluation.",
        params: uploadParams,
        querystring: organizationQuery,
        body: requestBody,
        response: { 200: startedEnvelope },
      },
    },
    async ({ caller, params, query, body }) => {
      const { organization } = await authority.organization(
        caller,
        query.organization,
        "triggerEvaluation",
      );
      const userId = signedIn(caller).user.id;
      const owner = { organization: organizationIdSchema.parse(organization.id), userId };
      const started = await sourceUploads.finish(
        { owner: userId, name: params.upload },
        (file) => evaluateNar({ sources, nars, workers }, owner, toBuildRequest(body), file.read()),
        isNoNar,
      );
      if (started === null) {
        throw new BadRequestError(`nothing was uploaded as ${JSON.stringify(params.upload)}`);
      }
      return ok(await toStarted(database.kysely, organization.id, started));
    },
  );
};
