import { z } from "zod";
import { findNumberedProducts, productOfType } from "../../../cuirass/describe-builds.ts";
import { readQuery, searchTextOf } from "../../../cuirass/query.ts";
import { searchRefusal } from "../../../cuirass/refusals.ts";
import { searchBuilds } from "../../../cuirass/search-builds.ts";
import { redirectAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { parameter, token } from "./parameters.ts";

/** GET /search/latest and /search/latest/TYPE: lead to the newest match, or to its product of a type, which is how releases are linked to. */
export const showLatestMatchRoute: Route = (api, services) => {
  const { database } = services;
  for (const path of ["/search/latest", "/search/latest/:type"] as const) {
    api.get(
      path,
      {
        schema: {
          summary: "Leads to the newest build that a search finds, or to its product.",
          params: z.object({ type: z.string().optional() }),
          querystring: z.object({ query: parameter, token }),
          response: { 302: redirectAnswer("The build's page, or the product.") },
        },
      },
      async ({ caller, originalUrl, params }, reply) => {
        const text = searchTextOf(readQuery(originalUrl));
        if (text === undefined) throw searchRefusal("Query parameter not provided.");
        const [build] = await searchBuilds(services, caller, text, 1);
        if (build === undefined) throw searchRefusal("No build found.");
        if (params.type === undefined) return reply.redirect(`/build/${build.number}/details`, 302);
        const products = await findNumberedProducts(database.kysely, [build]);
        const product = productOfType(products.get(build.number) ?? [], params.type);
        if (product === undefined) {
          throw searchRefusal("Could not find the request build product.");
        }
        return reply.redirect(`/download/${product.number}`, 302);
      },
    );
  }
};
