import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { findHead } from "../../../../projects/find-head.ts";
import type { Route } from "../../../api.ts";
import { envelope, errorEnvelope, ok } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const body = z.object({ branch: z.string().max(250).nullish() }).nullish();
const commit = z.string().regex(/^[0-9a-f]{40}$/);

/** POST /projects/{org}/{project}/check-repository: the answer is the commit that the branch, or HEAD, is now. */
export const checkRepositoryRoute: Route = (api, { authority, repositories }) => {
  api.post(
    "/projects/:org/:project/check-repository",
    {
      config: { access: "required" },
      schema: {
        summary: "Asks the project's repository for the newest commit of its HEAD or of a branch.",
        params: projectParams,
        body,
        response: { 200: envelope(commit), 503: errorEnvelope },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "editProject");
      notManaged(project);
      return ok(await findHead(repositories, project, request.body?.branch ?? null));
    },
  );
};
