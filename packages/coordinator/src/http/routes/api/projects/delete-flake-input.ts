import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { removeFlakeInput } from "../../../../projects/flake-inputs.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { flakeInputParams } from "./flake-input.ts";

/** DELETE /projects/{org}/{project}/flake-inputs/{id} */
export const deleteFlakeInputRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/projects/:org/:project/flake-inputs/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Lets an input of the project's flake be again what its lock file says.",
        params: flakeInputParams,
        response: { 200: envelope(z.object({ deleted: z.literal(true) })) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "editProject");
      notManaged(project);
      await removeFlakeInput(database, project, params.id);
      return ok({ deleted: true as const });
    },
  );
};
