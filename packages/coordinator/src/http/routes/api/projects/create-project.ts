import { z } from "zod";
import { notManaged, signedIn } from "../../../../auth/authority.ts";
import { createProject } from "../../../../projects/create-project.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "../orgs/organization.ts";
import { concurrencySchema } from "./project.ts";

const body = z.object({
  name: z.string(),
  display_name: z.string(),
  description: z.string().max(10_000).default(""),
  repository: z.string().max(2000),
  wildcard: z.string().max(2000),
  concurrency: concurrencySchema.nullish(),
  sign_cache: z.boolean().nullish(),
});

/** PUT /projects/{org}: the answer is the new project's id. */
export const createProjectRoute: Route = (api, { authority, database, clock, config }) => {
  api.put(
    "/projects/:org",
    {
      config: { access: "required" },
      schema: {
        summary: "Creates a project; the answer is its id.",
        params: organizationParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(caller, params.org, "createProject");
      notManaged(organization);
      const id = await createProject(
        database,
        {
          organizationId: organization.id,
          createdBy: signedIn(caller).user.id,
          name: request.body.name,
          displayName: request.body.display_name,
          description: request.body.description,
          repository: request.body.repository,
          wildcard: request.body.wildcard,
          concurrency: request.body.concurrency ?? "soft_abort",
          signsCache: request.body.sign_cache ?? true,
          keptEvaluations: config.keepEvaluations,
        },
        clock.now(),
      );
      return ok(id);
    },
  );
};
