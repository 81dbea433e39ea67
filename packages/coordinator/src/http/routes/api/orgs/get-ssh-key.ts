import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { sshKeyLine } from "./ssh-key-line.ts";

/** GET /orgs/{org}/ssh */
export const getSshKeyRoute: Route = (api, { authority, serveUrl }) => {
  api.get(
    "/orgs/:org/ssh",
    {
      config: { access: "required" },
      schema: {
        summary: "Gives the organization's public ssh key as a line of authorized_keys.",
        params: organizationParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization } = await authority.memberOrganization(
        request.caller,
        request.params.org,
      );
      return ok(sshKeyLine(organization.ssh_public_key, serveUrl, organization.name));
    },
  );
};
