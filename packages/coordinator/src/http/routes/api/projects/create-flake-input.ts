import { notManaged } from "../../../../auth/authority.ts";
import { addFlakeInput } from "../../../../projects/flake-inputs.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { flakeInputSchema, newFlakeInputBody, toFlakeInput } from "./flake-input.ts";
import { projectParams } from "./project.ts";

/** POST /projects/{org}/{project}/flake-inputs */
export const createFlakeInputRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/projects/:org/:project/flake-inputs",
    {
      config: { access: "required" },
      schema: {
        summary: "Lets an input of the project's flake be another one from the next evaluation on.",
        params: projectParams,
        body: newFlakeInputBody,
        response: { 200: envelope(flakeInputSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "editProject");
      notManaged(project);
      const override = { input: body.input_name, url: body.url };
      return ok(toFlakeInput(await addFlakeInput(database, project, override, clock.now())));
    },
  );
};
