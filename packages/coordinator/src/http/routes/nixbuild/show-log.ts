import { sendLog } from "../../../logs/send-log.ts";
import type { Route } from "../../api.ts";
import { textAnswer } from "../../answer-schemas.ts";
import { buildNumberParams } from "./build-number.ts";
import { readSignedBuild, signedQuery } from "./signed-build.ts";

/** GET /builds/:id/log: the log as text, to whoever has a signed link. */
export const showLogRoute: Route = (api, services) => {
  api.get(
    "/builds/:id/log",
    {
      config: { access: "none" },
      schema: {
        summary: "Gives the log of a build to whoever has a signed link.",
        params: buildNumberParams,
        querystring: signedQuery,
        response: { 200: textAnswer("The log.") },
      },
    },
    async ({ params, query }, reply) => {
      const { build_id } = readSignedBuild(services, params.id, query);
      const headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-security-policy": "default-src 'none'; sandbox",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
      };
      return sendLog(reply, headers, services.logs.text(build_id));
    },
  );
};
