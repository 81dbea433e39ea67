import { z } from "zod";
import { followedLog } from "../../../pages/log-page.ts";
import { NotFoundError } from "../../../errors.ts";
import type { Route } from "../../api.ts";
import { sendGrowing } from "../../growing-answer.ts";
import { cuirassCaller } from "../cuirass/callers.ts";

const HEADERS = {
  "content-type": "text/plain; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

const querystring = z.object({
  attempt: z.coerce.number().int().min(1),
  offset: z.coerce.number().int().min(0),
});

/** GET /build/:id/log/live: what an attempt logs from a byte on, as it does, until it has ended. */
export const followLogRoute: Route = (api, services) => {
  const { authenticator, logs } = services;
  api.get(
    "/build/:id/log/live",
    { schema: { params: z.object({ id: z.string() }), querystring } },
    async (request, reply) => {
      const { caller, params, query } = request;
      const { attempt, offset } = query;
      // Another attempt has begun: the page is to be looked at anew.
      if ((await followedLog(services, caller, params.id)) !== attempt) {
        throw new NotFoundError(`attempt ${attempt} is not the newest of build ${params.id}`);
      }
      return sendGrowing(reply, services, {
        headers: HEADERS,
        check: async () =>
          followedLog(services, await cuirassCaller(request, authenticator), params.id),
        texts: (signal) => logs.follow(attempt, offset, signal),
      });
    },
  );
};
