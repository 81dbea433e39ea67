import { z } from "zod";
import { listRecentDirectBuilds } from "../../../../db/direct-build-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, toTimestamp } from "../../../envelope.ts";
import { readBuildStatus } from "./build-status.ts";

const LIMITS = { total: 20, perOrganization: 10 };

const item = z.object({
  id: z.uuid(),
  derivation: z.string(),
  /** `YYYY-MM-DD HH:MM:SS` in UTC: the form that clients of this route know. */
  created_at: z.string(),
  evaluation_id: z.uuid(),
  status: z.string(),
});

/** GET /builds/direct/recent */
export const listRecentDirectBuildsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/direct/recent",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the newest direct builds of the caller's organizations.",
        response: { 200: envelope(z.array(item)) },
      },
    },
    async ({ caller }) => {
      const organizations = await authority.memberOrganizations(caller);
      const builds = await listRecentDirectBuilds(
        database.kysely,
        organizations.map(({ organization }) => organization.id),
        LIMITS,
      );
      return ok(
        builds.map(({ id, derivation, evaluationId, createdAt, state }) => ({
          id,
          derivation,
          created_at: toTimestamp(createdAt).slice(0, 19).replace("T", " "),
          evaluation_id: evaluationId,
          status: state === null ? "Unknown" : readBuildStatus(state),
        })),
      );
    },
  );
};
