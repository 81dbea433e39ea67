import { notManaged } from "../../../../auth/authority.ts";
import { updateOrganization } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

const SHOW = { method: "POST", summary: "Lets everybody read the organization." } as const;
const HIDE = {
  method: "DELETE",
  summary: "Hides from everybody but those who have part in it the organization.",
} as const;

/** POST and DELETE /orgs/{org}/public */
export const showOrganizationRoutes: Route = (api, { authority, database }) => {
  for (const { method, summary } of [SHOW, HIDE]) {
    api.route({
      method,
      url: "/orgs/:org/public",
      config: { access: "required" },
      schema: { summary, params: organizationParams, response: { 200: textEnvelope } },
      handler: async ({ caller, params }) => {
        const access = await authority.organization(caller, params.org, "manageOrgSettings");
        const { organization } = access;
        notManaged(organization);
        const isPublic = method === "POST";
        await updateOrganization(database.kysely, organization.id, { public: isPublic ? 1 : 0 });
        return ok(`Organization "${organization.name}" is ${isPublic ? "public" : "private"} now`);
      },
    });
  }
};
