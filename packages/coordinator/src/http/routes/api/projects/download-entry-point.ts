import { z } from "zod";
import { findProducts, productNamed } from "../../../../artefacts/build-products.ts";
import { findNewestEntryPoint } from "../../../../db/entry-point-view.ts";
import { NotFoundError } from "../../../../errors.ts";
import { SUCCESSFUL_BUILD_STATES } from "../../../../scheduler/build-state.ts";
import type { Route } from "../../../api.ts";
import { productAnswers, sendProduct } from "../../../product-answer.ts";
import { callerByQuery } from "../../../query-token.ts";
import { attributeJson } from "../evals/attribute-text.ts";
import { projectParams } from "./project.ts";

const querystring = z.object({
  /** Attribute path of the entry point. */
  eval: z.string().min(1),
  filename: z.string().min(1),
  /** Session token or API key, for links. */
  token: z.string().optional(),
});

/**
 * GET and HEAD /projects/{org}/{project}/entry-point-downloads: a link that stays the same, to a product of the newest evaluation in which
 * the entry point was built.
 */
export const downloadEntryPointRoute: Route = (
  api,
  { authority, authenticator, database, nars },
) => {
  api.get(
    "/projects/:org/:project/entry-point-downloads",
    {
      config: { access: "optional" },
      schema: {
        summary: "Downloads a product of an entry point's newest successful build.",
        params: projectParams,
        querystring,
        response: productAnswers,
      },
    },
    async (request, reply) => {
      const { org, project: name } = request.params;
      const { eval: attribute, filename, token } = request.query;
      const caller = await callerByQuery(authenticator, request, token);
      const { project } = await authority.readProject(caller, org, name);
      const db = database.kysely;
      const build = await findNewestEntryPoint(db, project.id, attributeJson(attribute), {
        buildStates: SUCCESSFUL_BUILD_STATES,
      });
      if (build === undefined) {
        throw new NotFoundError(
          `no late evaluation of project "${name}" has built the entry point "${attribute}"`,
        );
      }
      const found = await findProducts(db, project.organization_id, [build]);
      return sendProduct(reply, nars, productNamed([...found.values()].flat(), filename));
    },
  );
};
