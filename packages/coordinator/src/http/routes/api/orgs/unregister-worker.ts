import { deleteRegistration } from "../../../../db/registration-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { workerParams } from "./worker-params.ts";

/** DELETE /orgs/{org}/workers/{worker_id} */
export const unregisterWorkerRoute: Route = (api, { authority, database, workers }) => {
  api.delete(
    "/orgs/:org/workers/:worker_id",
    {
      config: { access: "required" },
      schema: {
        summary: "Removes the registration of a worker.",
        params: workerParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { org, worker_id: workerId } = request.params;
      const { organization } = await authority.organization(request.caller, org, "manageWorkers");
      const wasKnown = await deleteRegistration(database.kysely, {
        organizationId: organization.id,
        workerId,
      });
      if (!wasKnown) {
        throw new NotFoundError(`worker ${workerId} is not registered for "${organization.name}"`);
      }
      await workers.registrationsChanged(workerId);
      return ok(`Worker ${workerId} was unregistered`);
    },
  );
};
