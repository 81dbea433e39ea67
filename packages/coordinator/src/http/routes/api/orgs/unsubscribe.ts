import { unsubscribe } from "../../../../caches/subscriptions.ts";
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
      await unsubscribe({ database, evaluations }, { organization, cache });
      return ok(`"${organization.name}" is no longer subscribed to "${cache.name}"`);
    },
  );
};
