import { z } from "zod";
import { subscribe } from "../../../../caches/subscriptions.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { modeInput, subscriptionParams } from "./subscription.ts";

const body = z.object({ mode: modeInput.nullish() }).nullish();

/** POST /orgs/{org}/subscribe/{cache} */
export const subscribeRoute: Route = (api, { authority, database, clock, evaluations }) => {
  api.post(
    "/orgs/:org/subscribe/:cache",
    {
      config: { access: "required" },
      schema: {
        summary: "Subscribes the organization to a cache.",
        params: subscriptionParams,
        body,
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
      const mode = request.body?.mode ?? "ReadWrite";
      await subscribe({ database, evaluations }, { organization, cache }, mode, clock.now());
      return ok(`"${organization.name}" is subscribed to "${cache.name}" now`);
    },
  );
};
