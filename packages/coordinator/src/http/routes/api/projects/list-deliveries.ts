import { z } from "zod";
import { getAction } from "../../../../actions/change-action.ts";
import { listDeliveries } from "../../../../db/action-delivery-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams, deliverySchema, toDelivery } from "./action.ts";

const MAX_LIMIT = 100;

const querystring = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(50),
  offset: z.coerce.number().int().min(0).default(0),
});

const page = z.object({
  items: z.array(deliverySchema),
  total: z.int(),
  limit: z.int(),
  offset: z.int(),
});

/** GET /projects/{org}/{project}/actions/{id}/deliveries: newest first. */
export const listDeliveriesRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/actions/:id/deliveries",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists what an action told, and what came of it.",
        params: actionParams,
        querystring,
        response: { 200: envelope(page) },
      },
    },
    async (request) => {
      const { caller, params, query } = request;
      const { project } = await authority.project(caller, params, "manageActions");
      const action = await getAction(database.kysely, project, params.id);
      const { items, total } = await listDeliveries(database.kysely, action.id, query);
      return ok({ items: items.map((delivery) => toDelivery(delivery)), total, ...query });
    },
  );
};
