import { approveKey } from "../../../../workers/approve-key.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { workerKeyBody, workerKeyParams } from "./worker-key.ts";

/** POST /admin/workers/{worker_id}/key */
export const approveWorkerKeyRoute: Route = (api, { database, workers }) => {
  api.post(
    "/admin/workers/:worker_id/key",
    {
      config: { access: "superuser" },
      schema: {
        summary:
          "Approves the other signing key that a worker has shown; what it signed is signed anew.",
        params: workerKeyParams,
        body: workerKeyBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { worker_id: worker } = request.params;
      await approveKey({ database, workers }, worker, request.body.public_key.trim());
      return ok(`The new key of worker ${worker} is approved`);
    },
  );
};
