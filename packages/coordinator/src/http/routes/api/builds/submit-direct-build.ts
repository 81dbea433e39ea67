import { organizationIdSchema } from "@gradient/protocol";
import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { receiveFiles } from "../../../../direct-builds/receive-files.ts";
import { startDirectBuild } from "../../../../direct-builds/start-direct-build.ts";
import { requestSettings, settingHeaders } from "../../../../rules/build-settings.ts";
import { requestTags, TAGS_HEADER } from "../../../../rules/tags.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { multipartBody } from "../../../sent-bodies.ts";
import { takingMultipart, uploadParts } from "../../../uploads.ts";

const MAX_FILES = 20_000;

/** POST /builds: multipart with `organization`, `derivation` each file as `files`, named by its path, and tags as a JSON object or in a header. */
export const submitDirectBuildRoute: Route = (api, { authority, sources, sourceFiles, config }) => {
  takingMultipart(api, (scope) => {
    scope.post(
      "/builds",
      {
        config: {
          access: "required",
          sends: multipartBody({
            required: { organization: "text", derivation: "text", files: "files" },
            optional: { tags: "json" },
          }),
        },
        schema: {
          summary: "Builds files that come with the request, outside of every project.",
          headers: z.object({ [TAGS_HEADER]: z.string().optional(), ...settingHeaders }),
          response: { 200: textEnvelope },
        },
      },
      async (request) => {
        const { caller } = request;
        const limits = { maxBytes: config.maxDirectBuildSize, maxFiles: MAX_FILES };
        await using received = await receiveFiles(sourceFiles, uploadParts(request, limits));
        const { organization } = await authority.organization(
          caller,
          received.organization,
          "triggerEvaluation",
        );
        const about = {
          tags: requestTags(request.headers[TAGS_HEADER], received.tags),
          settings: requestSettings(request.headers),
        };
        const owner = {
          organization: organizationIdSchema.parse(organization.id),
          userId: signedIn(caller).user.id,
        };
        const evaluation = await startDirectBuild(sources, owner, received, about);
        // Clients read the id behind exactly these words.
        return ok(`Direct build started with evaluation ID: ${evaluation}`);
      },
    );
  });
};
