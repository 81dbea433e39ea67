import { z } from "zod";
import { listFlakeInputs } from "../../../../db/flake-input-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { flakeInputSchema, toFlakeInput } from "./flake-input.ts";
import { projectParams } from "./project.ts";

/** GET /projects/{org}/{project}/flake-inputs */
export const listFlakeInputsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/flake-inputs",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Lists the inputs of the project's flake that are others than its lock file says, in the order of names.",
        params: projectParams,
        response: { 200: envelope(z.array(flakeInputSchema)) },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "viewOrg");
      const rows = await listFlakeInputs(database.kysely, project.id);
      return ok(rows.map((row) => toFlakeInput(row)));
    },
  );
};
