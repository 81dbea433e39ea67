import { z } from "zod";
import { badgeOfEntryPoint, badgeOfProject } from "../../../../badges/badge-status.ts";
import { BADGE_STYLES, drawBadge } from "../../../../badges/draw-badge.ts";
import { textAnswer } from "../../../answer-schemas.ts";
import type { Route } from "../../../api.ts";
import { errorEnvelope } from "../../../envelope.ts";
import { callerByQuery } from "../../../query-token.ts";
import { attributeJson } from "../evals/attribute-text.ts";
import { projectParams } from "./project.ts";

const querystring = z.object({
  style: z.enum(BADGE_STYLES).default("flat"),
  /** Text on the left. */
  label: z.string().max(100).default("build"),
  /** Attribute path of one entry point, in place of the whole project. */
  eval: z.string().optional(),
  /** Session token or API key, for images in other pages. */
  token: z.string().optional(),
});

/** GET /projects/{org}/{project}/badge: an SVG image of how the project, or one of its entry points, stands. */
export const getBadgeRoute: Route = (api, { authority, authenticator, database }) => {
  api.get(
    "/projects/:org/:project/badge",
    {
      config: { access: "optional" },
      schema: {
        summary: "Draws how a project, or one of its entry points, stands.",
        params: projectParams,
        querystring,
        response: { 200: textAnswer("The badge.", "image/svg+xml"), 401: errorEnvelope },
      },
    },
    async (request, reply) => {
      const { org, project: name } = request.params;
      const { style, label, eval: attribute, token } = request.query;
      const caller = await callerByQuery(authenticator, request, token);
      const { project } = await authority.readProject(caller, org, name);
      const db = database.kysely;
      const status =
        attribute === undefined
          ? await badgeOfProject(db, project)
          : await badgeOfEntryPoint(db, project.id, attributeJson(attribute));
      reply.headers({
        "content-type": "image/svg+xml; charset=utf-8",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      });
      return reply.send(drawBadge(label, status, style));
    },
  );
};
