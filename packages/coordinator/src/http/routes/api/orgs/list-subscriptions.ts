import { z } from "zod";
import { listSubscriptions } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { subscriptionSchema } from "./subscription.ts";

/** GET /orgs/{org}/subscribe */
export const listSubscriptionsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/subscribe",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the caches that the organization is subscribed to.",
        params: organizationParams,
        response: { 200: envelope(z.array(subscriptionSchema)) },
      },
    },
    async (request) => {
      const { organization } = await authority.memberOrganization(
        request.caller,
        request.params.org,
      );
      return ok(await listSubscriptions(database.kysely, organization.id));
    },
  );
};
