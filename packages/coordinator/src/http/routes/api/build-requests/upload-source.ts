import { organizationIdSchema } from "@gradient/protocol";
import { signedIn } from "../../../../auth/authority.ts";
import { evaluateNar } from "../../../../build-requests/evaluate-nar.ts";
import { receiveNar } from "../../../../build-requests/receive-nar.ts";
import type { Route } from "../../../api.ts";
import { ok } from "../../../envelope.ts";
import { multipartBody } from "../../../sent-bodies.ts";
import { takingMultipart, uploadParts } from "../../../uploads.ts";
import { organizationQuery, startedEnvelope, toStarted } from "./build-request.ts";

/** POST /build-requests/source?organization=O: multipart with `nar`, and `target` and `system` if wanted. */
export const uploadSourceRoute: Route = (
  api,
  { authority, database, sources, nars, workers, sourceFiles, config },
) => {
  takingMultipart(api, (scope) => {
    scope.post(
      "/build-requests/source",
      {
        config: {
          access: "required",
          sends: multipartBody({
            required: { nar: "file" },
            optional: { target: "text", system: "text" },
          }),
        },
        schema: {
          summary: "Uploads a source's NAR in one request and queues its evaluation.",
          querystring: organizationQuery,
          response: { 200: startedEnvelope },
        },
      },
      async (request) => {
        const { caller, query } = request;
        const { organization } = await authority.organization(
          caller,
          query.organization,
          "triggerEvaluation",
        );
        const parts = uploadParts(request, { maxBytes: config.maxSourceUploadSize, maxFiles: 1 });
        await using received = await receiveNar(sourceFiles, parts);
        const owner = {
          organization: organizationIdSchema.parse(organization.id),
          userId: signedIn(caller).user.id,
        };
        const wanted = { target: received.target, system: received.system, inputOverrides: [] };
        const started = await evaluateNar(
          { sources, nars, workers },
          owner,
          wanted,
          received.nar(),
        );
        return ok(await toStarted(database.kysely, organization.id, started));
      },
    );
  });
};
