import { z } from "zod";
import { getAction } from "../../../../actions/change-action.ts";
import { findDelivery } from "../../../../db/action-delivery-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams, deliverySchema, toDelivery } from "./action.ts";

const params = actionParams.extend({ delivery_id: z.uuid() });

const detail = deliverySchema.extend({
  request_body: z.string(),
  response_body: z.string().nullable(),
});

/** GET /projects/{org}/{project}/actions/{id}/deliveries/{delivery_id} */
export const getDeliveryRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/actions/:id/deliveries/:delivery_id",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows what was sent and what came back.",
        params,
        response: { 200: envelope(detail) },
      },
    },
    async (request) => {
      const { caller } = request;
      const { id, delivery_id: deliveryId } = request.params;
      const { project } = await authority.project(caller, request.params, "manageActions");
      const action = await getAction(database.kysely, project, id);
      const delivery = await findDelivery(database.kysely, action.id, deliveryId);
      if (delivery === undefined) {
        throw new NotFoundError(`action "${action.name}" has no delivery ${deliveryId}`);
      }
      const { request_body, response_body } = delivery;
      return ok({ ...toDelivery(delivery), request_body, response_body });
    },
  );
};
