import { refuseKey } from "../../../../workers/approve-key.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { workerKeyBody, workerKeyParams } from "./worker-key.ts";

/** DELETE /admin/workers/{worker_id}/key */
export const refuseWorkerKeyRoute: Route = (api, { database }) => {
  api.delete(
    "/admin/workers/:worker_id/key",
    {
      config: { access: "superuser" },
      schema: {
        summary: "Forgets the other signing key that a worker has shown, until it shows it again.",
        params: workerKeyParams,
        body: workerKeyBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { worker_id: worker } = request.params;
      await refuseKey(database, worker, request.body.public_key.trim());
      return ok(`The other key of worker ${worker} is forgotten`);
    },
  );
};
