import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { BadRequestError, ConflictError } from "../../../../errors.ts";
import { evaluateProject } from "../../../../projects/evaluate-project.ts";
import { requestSettings, settingHeaders } from "../../../../rules/build-settings.ts";
import { requestTags, TAGS_HEADER } from "../../../../rules/tags.ts";
import type { Route } from "../../../api.ts";
import { errorEnvelope, ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const body = z
  .object({
    mode: z.string().nullish(),
    tags: z
      .record(z.string(), z.string())
      .nullish()
      .meta({ description: "Of the builds that it brings about, for nixbuild.net's API." }),
  })
  .nullish();

/**
 * POST /projects/{org}/{project}/evaluate, with or without a body: the answer is the evaluation's id. `{"mode": "restart_failed"}` asks again
 * for what failed in the last one. Tags may also come in a header, and settings of nixbuild.net do.
 */
export const evaluateProjectRoute: Route = (api, services) => {
  const { authority, evaluations, repositories, database } = services;
  api.post(
    "/projects/:org/:project/evaluate",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Starts an evaluation of the newest commit, or restarts what failed in the last one.",
        params: projectParams,
        headers: z.object({ [TAGS_HEADER]: z.string().optional(), ...settingHeaders }),
        body,
        response: { 200: textEnvelope, 503: errorEnvelope },
      },
    },
    async (request) => {
      const mode = request.body?.mode ?? null;
      if (mode !== null && mode !== "restart_failed") {
        throw new BadRequestError(`mode "${mode}" is not known; there is "restart_failed"`);
      }
      const { caller, params, headers } = request;
      const about = {
        tags: requestTags(headers[TAGS_HEADER], request.body?.tags),
        settings: requestSettings(headers),
      };
      const { project } = await authority.project(caller, params, "triggerEvaluation");
      try {
        if (mode === "restart_failed") return ok(await evaluations.restartFailed(project.id));
        const parts = { db: database.kysely, evaluations, repositories };
        const { id } = signedIn(caller).user;
        return ok(await evaluateProject(parts, project, id, about));
      } catch (error) {
        // The API's clients know this refusal as 400.
        if (!(error instanceof ConflictError)) throw error;
        throw new BadRequestError(error.message, { cause: error });
      }
    },
  );
};
