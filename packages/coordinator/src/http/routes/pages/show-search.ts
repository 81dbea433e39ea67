import { z } from "zod";
import { searchHints, searchPage } from "../../../pages/search-page.ts";
import type { Route } from "../../api.ts";
import { sendView } from "../../pages/send-view.ts";

const query = z.string().max(500).default("");

/** GET /search: builds that a search finds. */
export const showSearchRoute: Route = (api, services) => {
  const page = z.coerce.number().int().min(1).max(20).default(1);
  api.get(
    "/search",
    { schema: { querystring: z.object({ query, page }) } },
    async ({ caller, query: search }, reply) =>
      sendView(reply, await searchPage(services, caller, search)),
  );
};

/** GET /search/hints: what a search could go on with, as a list of texts. */
export const searchHintsRoute: Route = (api, services) => {
  api.get(
    "/search/hints",
    { schema: { querystring: z.object({ query }) } },
    async ({ caller, query: search }, reply) => {
      const hints = await searchHints(services, caller, search.query);
      return reply
        .headers({ "cache-control": "private, no-cache", "x-content-type-options": "nosniff" })
        .type("application/json; charset=utf-8")
        .send(JSON.stringify(hints));
    },
  );
};
