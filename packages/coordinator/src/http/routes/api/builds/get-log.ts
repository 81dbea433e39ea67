import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { buildParams } from "./build-params.ts";

/** GET /builds/{id}/log: the whole log of the last attempt; empty when there is none. */
export const getLogRoute: Route = (api, { authority, logs }) => {
  api.get(
    "/builds/:id/log",
    {
      config: { access: "optional" },
      schema: { params: buildParams, response: { 200: textEnvelope } },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      return ok(build.attempt === null ? "" : await logs.read(build.attempt));
    },
  );
};
