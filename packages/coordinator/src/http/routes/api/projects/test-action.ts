import { z } from "zod";
import { getAction } from "../../../../actions/change-action.ts";
import { testAction } from "../../../../actions/test-action.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams } from "./action.ts";

/** POST /projects/{org}/{project}/actions/{id}/test */
export const testActionRoute: Route = (api, services) => {
  const { authority, database } = services;
  api.post(
    "/projects/:org/:project/actions/:id/test",
    {
      config: { access: "required" },
      schema: {
        summary: "Sends an event that has not happened, at once; tells whether it was taken.",
        description:
          "Of a status report only whether the forge shows the repository. What came of it stands among the deliveries.",
        params: actionParams,
        response: { 200: envelope(z.boolean()) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project, organization } = await authority.project(caller, params, "manageActions");
      const action = await getAction(database.kysely, project, params.id);
      const tested = { ...project, organization: organization.name };
      return ok(await testAction(services, tested, action));
    },
  );
};
