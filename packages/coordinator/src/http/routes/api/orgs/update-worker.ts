import { z } from "zod";
import { updateRegistration } from "../../../../db/registration-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { workerParams } from "./worker-params.ts";

const body = z.object({
  active: z.boolean().nullish(),
  display_name: z.string().max(100).nullish(),
  enable_fetch: z.boolean().nullish(),
  enable_eval: z.boolean().nullish(),
  enable_build: z.boolean().nullish(),
});

function toFlag(value: boolean | null | undefined) {
  if (value === null || value === undefined) return undefined;
  return value ? (1 as const) : (0 as const);
}

/** PATCH /orgs/{org}/workers/{worker_id}: what is absent or null stays as it is. */
export const updateWorkerRoute: Route = (api, { authority, database, workers }) => {
  api.patch(
    "/orgs/:org/workers/:worker_id",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes the given fields of a worker's registration.",
        params: workerParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { org, worker_id: workerId } = request.params;
      const { organization } = await authority.organization(request.caller, org, "manageWorkers");
      const isKnown = await updateRegistration(
        database.kysely,
        { organizationId: organization.id, workerId },
        {
          active: toFlag(request.body.active),
          display_name: request.body.display_name ?? undefined,
          enable_fetch: toFlag(request.body.enable_fetch),
          enable_eval: toFlag(request.body.enable_eval),
          enable_build: toFlag(request.body.enable_build),
        },
      );
      if (!isKnown) {
        throw new NotFoundError(`worker ${workerId} is not registered for "${organization.name}"`);
      }
      await workers.registrationsChanged(workerId);
      return ok(`Worker ${workerId} was changed`);
    },
  );
};
