import { z } from "zod";
import { followedLog } from "../../../pages/log-page.ts";
import { NotFoundError } from "../../../errors.ts";
import type { Route } from "../../api.ts";
import { sendGrowing } from "../../growing-answer.ts";

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
  const { logs, stopping } = services;
  api.get(
    "/build/:id/log/live",
    { schema: { params: z.object({ id: z.string() }), querystring } },
    async ({ caller, params, query }, reply) => {
      const { attempt, offset } = query;
      // Another attempt has begun: the page is to be looked at anew.
      if ((await followedLog(services, caller, params.id)) !== attempt) {
        throw new NotFoundError(`attempt ${attempt} is not the newest of build ${params.id}`);
      }
      return sendGrowing(reply, stopping, HEADERS, (signal) =>
        logs.follow(attempt, offset, signal),
      );
    },
  );
};
