import { organizationIdSchema } from "@gradient/protocol";
import { dispatchSession } from "../../../../build-requests/dispatch-session.ts";
import type { Route } from "../../../api.ts";
import { errorEnvelope, ok } from "../../../envelope.ts";
import {
  requestBody,
  sessionParams,
  startedEnvelope,
  toBuildRequest,
  toStarted,
} from "./build-request.ts";

/** POST /build-requests/{session}/dispatch */
export const dispatchSessionRoute: Route = (
  api,
  { authority, database, sourceFiles, sources, nars, workers, clock },
) => {
  api.post(
    "/build-requests/:session/dispatch",
    {
      config: { access: "required" },
      schema: {
        summary: "Queues the evaluation of a build request whose files are all there.",
        params: sessionParams,
        body: requestBody,
        response: { 200: startedEnvelope, 410: errorEnvelope },
      },
    },
    async ({ caller, params, body }) => {
      const { session, organization } = await authority.buildRequest(caller, params.session);
      const started = await dispatchSession(
        { database, sourceFiles, sources, nars, workers },
        { session, organization: organizationIdSchema.parse(organization.id) },
        toBuildRequest(body),
        clock.now(),
      );
      return ok(await toStarted(database.kysely, organization.id, started));
    },
  );
};
