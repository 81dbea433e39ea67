import { z } from "zod";
import { deleteKnownHost } from "../../../../db/known-host-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const params = z.object({ org: z.string(), host: z.string() });

/** DELETE /orgs/{org}/known-hosts/{host}: the next key that the host shows is believed and becomes the known one. */
export const forgetKnownHostRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/orgs/:org/known-hosts/:host",
    {
      config: { access: "required" },
      schema: {
        summary: "Forgets an ssh host's key: the next one that it shows is believed.",
        params,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { org, host } = request.params;
      const { organization } = await authority.organization(request.caller, org, "manageSshKey");
      if (!(await deleteKnownHost(database.kysely, organization.id, host))) {
        throw new NotFoundError(`the organization knows no host "${host}"`);
      }
      return ok(`The key of "${host}" is forgotten`);
    },
  );
};
