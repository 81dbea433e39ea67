import { z } from "zod";
import { listInputs } from "../../../../db/build-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { buildNode, toBuildNode } from "./build-node.ts";
import { buildParams } from "./build-params.ts";

/** GET /builds/{id}/dependencies: the direct ones. */
export const listDependenciesRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/dependencies",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the direct dependencies of a build.",
        params: buildParams,
        response: { 200: envelope(z.array(buildNode)) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      const inputs = await listInputs(database.kysely, build.evaluation_id, [build.derivation_id]);
      return ok(inputs.map(toBuildNode));
    },
  );
};
