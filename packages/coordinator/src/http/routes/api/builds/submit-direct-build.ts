import { organizationIdSchema } from "@gradient/protocol";
import { signedIn } from "../../../../auth/authority.ts";
import { receiveFiles } from "../../../../direct-builds/receive-files.ts";
import { startDirectBuild } from "../../../../direct-builds/start-direct-build.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { multipartBody } from "../../../sent-bodies.ts";
import { takingMultipart, uploadParts } from "../../../uploads.ts";

const MAX_FILES = 20_000;

/** POST /builds: multipart with `organization`, `derivation` and each file as `files`, named by its path. */
export const submitDirectBuildRoute: Route = (api, { authority, sources, sourceFiles, config }) => {
  takingMultipart(api, (scope) => {
    scope.post(
      "/builds",
      {
        config: {
          access: "required",
          sends: multipartBody({
            required: { organization: "text", derivation: "text", files: "files" },
          }),
        },
        schema: {
          summary: "Builds files that come with the request, outside of every project.",
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
        const owner = {
          organization: organizationIdSchema.parse(organization.id),
          userId: signedIn(caller).user.id,
        };
        const evaluation = await startDirectBuild(sources, owner, received);
        // Clients read the id behind exactly these words.
        return ok(`Direct build started with evaluation ID: ${evaluation}`);
      },
    );
  });
};
