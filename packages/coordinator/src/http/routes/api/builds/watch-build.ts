import type { Route } from "../../../api.ts";
import { answerLive, liveAnswers, liveQuery } from "../../../live-route.ts";
import { buildParams } from "./build-params.ts";

/** GET /builds/{id}/live, a WebSocket: what changes in the build's evaluation, which has everything that it depends on. */
export const watchBuildRoute: Route = (api, services) => {
  api.get(
    "/builds/:id/live",
    {
      config: { access: "optional" },
      schema: {
        summary: "Tells by WebSocket what changes in a build and what it depends on.",
        params: buildParams,
        querystring: liveQuery,
        response: liveAnswers,
      },
    },
    (request, reply) =>
      answerLive(services, api.live, request, reply, async (caller) => {
        const { build } = await services.authority.readBuild(caller, request.params.id);
        return { kind: "evaluation", id: build.evaluation_id };
      }),
  );
};
