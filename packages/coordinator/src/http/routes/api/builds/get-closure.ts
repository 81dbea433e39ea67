import { buildClosure } from "../../../../closures/closure-graph.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { buildParams } from "./build-params.ts";
import { closureGraph, toClosureAnswer } from "./closure-answer.ts";

/** GET /builds/{id}/closure: what the build needs, with the sizes of what it makes. */
export const getClosureRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/closure",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Sums up what a build needs to be built, by size.",
        params: buildParams,
        response: { 200: envelope(closureGraph) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const { organization_id: organization, derivation_id: derivation } = build;
      return ok(toClosureAnswer(await buildClosure(database.kysely, organization, [derivation])));
    },
  );
};
