import { deleteSubscription } from "../../../../db/cache-repository.ts";
import { BadRequestError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { subscriptionParams } from "./subscription.ts";

/** DELETE /orgs/{org}/subscribe/{cache} */
export const unsubscribeRoute: Route = (api, { authority, database, evaluations }) => {
  api.delete(
    "/orgs/:org/subscribe/:cache",
    {
      config: { access: "required" },
      schema: {
        summary: "Ends the subscription to a cache.",
        params: subscriptionParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(
        caller,
        params.org,
        "manageSubscriptions",
      );
      const { cache } = await authority.cache(caller, params.cache, "manageCacheSubscriptions");
      const wasSubscribed = await deleteSubscription(database.kysely, {
        organizationId: organization.id,
        cacheId: cache.id,
      });
      if (!wasSubscribed) {
        throw new BadRequestError(`"${organization.name}" is not subscribed to "${cache.name}"`);
      }
      await evaluations.cachesChanged(organization.id);
      return ok(`"${organization.name}" is no longer subscribed to "${cache.name}"`);
    },
  );
};
