import { runtimeClosure } from "../../../../closures/closure-graph.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { buildParams } from "./build-params.ts";
import { closureGraph, toClosureAnswer } from "./closure-answer.ts";

/** GET /builds/{id}/runtime-closure: what the build's outputs refer to. */
export const getRuntimeClosureRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/runtime-closure",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Sums up what the outputs of a build refer to, by size.",
        params: buildParams,
        response: { 200: envelope(closureGraph) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const { organization_id: organization, derivation_id: derivation } = build;
      return ok(toClosureAnswer(await runtimeClosure(database.kysely, organization, [derivation])));
    },
  );
};
