import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";

/** GET /builds/{id}/download-token: for links to the build's products, good for an hour. */
export const getDownloadTokenRoute: Route = (api, { authority, downloadTokens }) => {
  api.get(
    "/builds/:id/download-token",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes a token that opens the downloads of a build for an hour.",
        params: buildParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { build } = await authority.memberBuild(request.caller, request.params.id);
      return ok(
        await downloadTokens.sign({
          derivation: build.derivation_id,
          evaluation: build.evaluation_id,
        }),
      );
    },
  );
};
