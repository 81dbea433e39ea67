import { notManaged } from "../../../../auth/authority.ts";
import { updateOrganization } from "../../../../db/organization-repository.ts";
import { sealedSshKey } from "../../../../keys/organization-ssh-key.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { sshKeyLine } from "./ssh-key-line.ts";

/** POST /orgs/{org}/ssh: a new key pair; the old one is gone for good. */
export const renewSshKeyRoute: Route = (api, { authority, database, masterKey, serveUrl }) => {
  api.post(
    "/orgs/:org/ssh",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes a new ssh key pair; the old one is gone for good.",
        params: organizationParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization } = await authority.organization(
        request.caller,
        request.params.org,
        "manageSshKey",
      );
      notManaged(organization);
      const key = sealedSshKey(masterKey, organization.id);
      await updateOrganization(database.kysely, organization.id, key);
      return ok(sshKeyLine(key.ssh_public_key, serveUrl, organization.name));
    },
  );
};
