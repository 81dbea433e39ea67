import type { Route } from "../../../api.ts";
import { answerLive, liveAnswers, liveQuery } from "../../../live-route.ts";
import { projectParams } from "./project.ts";

/** GET /projects/{org}/{project}/live, a WebSocket: what changes in the project's newest evaluations and their builds. */
export const watchProjectRoute: Route = (api, services) => {
  api.get(
    "/projects/:org/:project/live",
    {
      config: { access: "optional" },
      schema: {
        summary: "Tells by WebSocket what changes in a project's evaluations and their builds.",
        params: projectParams,
        querystring: liveQuery,
        response: liveAnswers,
      },
    },
    (request, reply) =>
      answerLive(services, api.live, request, reply, async (caller) => {
        const { org, project: name } = request.params;
        const { project } = await services.authority.readProject(caller, org, name);
        return { kind: "project", id: project.id };
      }),
  );
};
