import { getFlakeInput } from "../../../../projects/flake-inputs.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { flakeInputParams, flakeInputSchema, toFlakeInput } from "./flake-input.ts";

/** GET /projects/{org}/{project}/flake-inputs/{id} */
export const getFlakeInputRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/flake-inputs/:id",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Shows one input of the project's flake that is another one than its lock file says.",
        params: flakeInputParams,
        response: { 200: envelope(flakeInputSchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "viewOrg");
      return ok(toFlakeInput(await getFlakeInput(database.kysely, project, params.id)));
    },
  );
};
