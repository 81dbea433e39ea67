import { findNumberedProducts } from "../../../cuirass/describe-builds.ts";
import { missingProduct, vanishedProduct } from "../../../cuirass/refusals.ts";
import { visibleProduct } from "../../../cuirass/visible-projects.ts";
import { NotFoundError } from "../../../errors.ts";
import { bytesAnswer } from "../../answer-schemas.ts";
import type { Route } from "../../api.ts";
import { sendProduct } from "../../product-answer.ts";
import { idParams } from "./parameters.ts";

/** GET /download/PRODUCT: the file, to be saved. */
export const downloadProductRoute: Route = (api, services) => {
  const { database, nars } = services;
  api.get(
    "/download/:id",
    {
      schema: {
        summary: "Gives a build product by its number.",
        params: idParams,
        response: { 200: bytesAnswer("The file, or a directory as an archive.") },
      },
    },
    async ({ caller, params }, reply) => {
      const named = await visibleProduct(services, caller, params.id);
      if (named === null) throw missingProduct();
      const products = await findNumberedProducts(database.kysely, [named.build]);
      const product = products
        .get(named.build.number)
        ?.find(({ number }) => number === named.number);
      if (product === undefined) throw vanishedProduct(null);
      const cacheControl = named.isPublic ? "public, max-age=43200" : "private, no-cache";
      try {
        return await sendProduct(reply, nars, product, { cacheControl, isAttachment: true });
      } catch (error) {
        throw error instanceof NotFoundError ? vanishedProduct(error) : error;
      }
    },
  );
};
