import { z } from "zod";
import { searchRefusal } from "../../../cuirass/refusals.ts";
import { searchHints, searchPage } from "../../../pages/search-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";
import { asksForPage, sendEither } from "./asks-for-page.ts";

const query = z.string().max(500);

/** GET /search: builds that a search finds. */
export const showSearchRoute: Route = (api, services) => {
  const page = z.coerce.number().int().min(1).max(20).default(1);
  api.get(
    "/search",
    {
      errorHandler: (error, request, reply) => sendEither(error, request, reply),
      schema: { querystring: z.object({ query: query.optional(), page }) },
    },
    async (request, reply) => {
      const { query: text = "", page: number } = request.query;
      if (request.query.query === undefined && !asksForPage(request)) {
        throw searchRefusal("Query parameter not provided!");
      }
      return sendView(
        reply,
        await searchPage(services, request.caller, { query: text, page: number }),
      );
    },
  );
};

/** GET /search/hints: what a search could go on with, as a list of texts. */
export const searchHintsRoute: Route = (api, services) => {
  api.get(
    "/search/hints",
    { schema: { querystring: z.object({ query: query.default("") }) } },
    async ({ caller, query: search }, reply) => {
      const hints = await searchHints(services, caller, search.query);
      return reply
        .headers({ "cache-control": "private, no-cache", "x-content-type-options": "nosniff" })
        .type("application/json; charset=utf-8")
        .send(JSON.stringify(hints));
    },
  );
};
