import { z } from "zod";
import { isCacheName } from "../../../../db/cache-repository.ts";
import { checkSlug } from "../../../../rules/names.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const querystring = z.object({ name: z.string() });

/** GET /caches/available?name: 400 with the reason for a name that can never be used. */
export const checkCacheNameRoute: Route = (api, { database }) => {
  api.get(
    "/caches/available",
    {
      config: { access: "required" },
      schema: {
        summary: "Tells whether a cache could be given the name.",
        querystring,
        response: { 200: envelope(z.boolean()) },
      },
    },
    async (request) => {
      const { name } = request.query;
      checkSlug("cache", name);
      return ok(!(await isCacheName(database.kysely, name)));
    },
  );
};
