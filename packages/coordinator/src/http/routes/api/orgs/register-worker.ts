import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { registerWorker } from "../../../../organizations/register-worker.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

const body = z.object({
  worker_id: z.string(),
  display_name: z.string().max(100).nullish(),
  url: z.string().max(2000).nullish(),
  token: z.string().nullish(),
  enable_fetch: z.boolean().nullish(),
  enable_eval: z.boolean().nullish(),
  enable_build: z.boolean().nullish(),
});

const answer = z.object({ peer_id: z.uuid(), token: z.string().optional() });

/** POST /orgs/{org}/workers: the answer has the token only when it was made here, this once. */
export const registerWorkerRoute: Route = (api, { authority, database, workers, clock }) => {
  api.post(
    "/orgs/:org/workers",
    {
      config: { access: "required" },
      schema: {
        summary: "Registers a worker; a token that was made here is only in this answer.",
        params: organizationParams,
        body,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(caller, params.org, "manageWorkers");
      const token = await registerWorker(
        { db: database.kysely, workers },
        {
          organizationId: organization.id,
          createdBy: signedIn(caller).user.id,
          workerId: request.body.worker_id,
          displayName: request.body.display_name ?? "",
          url: request.body.url ?? null,
          token: request.body.token ?? null,
          enableFetch: request.body.enable_fetch ?? true,
          enableEval: request.body.enable_eval ?? true,
          enableBuild: request.body.enable_build ?? true,
        },
        clock.now(),
      );
      return ok({ peer_id: organization.id, ...(token === null ? {} : { token }) });
    },
  );
};
