import { organizationIdSchema } from "@gradient/protocol";
import { signedIn } from "../../../../auth/authority.ts";
import { evaluateNar } from "../../../../build-requests/evaluate-nar.ts";
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

/** POST /build-requests/source/{upload}/finalize?organization=O */
export const finalizeSourceRoute: Route = (
  api,
  { authority, database, sources, nars, workers, chunkedUploads },
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
      const started = await chunkedUploads.finish({ user: userId, upload: params.upload }, (nar) =>
        evaluateNar({ sources, nars, workers }, owner, toBuildRequest(body), nar),
      );
      return ok(await toStarted(database.kysely, organization.id, started));
    },
  );
};
