import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { changeProject } from "../../../../projects/change-project.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { concurrencySchema, projectParams } from "./project.ts";

const body = z.object({
  name: z.string().nullish(),
  display_name: z.string().nullish(),
  description: z.string().max(10_000).nullish(),
  repository: z.string().max(2000).nullish(),
  wildcard: z.string().max(2000).nullish(),
  keep_evaluations: z.int().nullish(),
  concurrency: concurrencySchema.nullish(),
  sign_cache: z.boolean().nullish(),
});

/** PATCH /projects/{org}/{project}: what is absent or null stays as it is. */
export const updateProjectRoute: Route = (api, { authority, database, config }) => {
  api.patch(
    "/projects/:org/:project",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes the given fields of a project.",
        params: projectParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "editProject");
      notManaged(project);
      const change = request.body;
      await changeProject(
        database,
        project,
        {
          name: change.name ?? project.name,
          displayName: change.display_name ?? project.display_name,
          description: change.description ?? project.description,
          repository: change.repository ?? project.repository,
          wildcard: change.wildcard ?? project.wildcard,
          keptEvaluations: change.keep_evaluations ?? project.keep_evaluations,
          concurrency: change.concurrency ?? project.concurrency,
          signsCache: change.sign_cache ?? project.sign_cache === 1,
        },
        Math.max(config.keepEvaluations, project.keep_evaluations),
      );
      return ok(`Project "${change.name ?? project.name}" was changed`);
    },
  );
};
