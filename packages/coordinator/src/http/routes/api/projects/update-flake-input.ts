import { notManaged } from "../../../../auth/authority.ts";
import { changeFlakeInput } from "../../../../projects/flake-inputs.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import {
  flakeInputChangeBody,
  flakeInputParams,
  flakeInputSchema,
  toFlakeInput,
} from "./flake-input.ts";

/** PATCH /projects/{org}/{project}/flake-inputs/{id}: what is absent or null stays as it is. */
export const updateFlakeInputRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/projects/:org/:project/flake-inputs/:id",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Changes which input of the project's flake is another one, or where that comes from.",
        params: flakeInputParams,
        body: flakeInputChangeBody,
        response: { 200: envelope(flakeInputSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "editProject");
      notManaged(project);
      const change = {
        ...(body.input_name == null ? {} : { input: body.input_name }),
        ...(body.url == null ? {} : { url: body.url }),
      };
      const row = await changeFlakeInput(database, project, params.id, change, clock.now());
      return ok(toFlakeInput(row));
    },
  );
};
