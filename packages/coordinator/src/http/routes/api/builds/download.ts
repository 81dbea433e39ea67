import { z } from "zod";
import { findProducts, productNamed } from "../../../../artefacts/build-products.ts";
import type { Route } from "../../../api.ts";
import { productAnswers, sendProduct } from "../../../product-answer.ts";

const params = z.object({ id: z.uuid(), filename: z.string().min(1) });
const querystring = z.object({
  /** Of GET /builds/{id}/download-token. */
  token: z.string().optional(),
});

/** GET and HEAD /builds/{id}/download/{filename}, with ranges for files. */
export const downloadRoute: Route = (api, { authority, database, downloadTokens, nars }) => {
  api.get(
    "/builds/:id/download/:filename",
    {
      config: { access: "optional" },
      schema: {
        summary: "Downloads a product of a build: a file, or a directory as a tar.zst archive.",
        params,
        querystring,
        response: productAnswers,
      },
    },
    async (request, reply) => {
      const { id, filename } = request.params;
      const { token } = request.query;
      const grant = token === undefined ? null : await downloadTokens.read(token);
      const build = await authority.downloadableBuild(request.caller, id, grant);
      const found = await findProducts(database.kysely, build.organization_id, [build]);
      return sendProduct(reply, nars, productNamed([...found.values()].flat(), filename));
    },
  );
};
