import { z } from "zod";
import { listKnownHosts } from "../../../../db/known-host-repository.ts";
import { fingerprintOf } from "../../../../rules/known-hosts.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

const knownHost = z.object({
  /** As known_hosts names it: `host`, or `[host]:port`. */
  host: z.string(),
  /** Type and base64. */
  key: z.string(),
  fingerprint: z.string(),
  /** Who saw it first. */
  worker: z.string(),
  seen_at: timestamp,
});

/** GET /orgs/{org}/known-hosts: the ssh hosts that fetches believe, by the keys they showed first. */
export const listKnownHostsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/known-hosts",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the ssh hosts that fetches believe, with their keys.",
        params: organizationParams,
        response: { 200: envelope(z.array(knownHost)) },
      },
    },
    async (request) => {
      const { organization } = await authority.memberOrganization(
        request.caller,
        request.params.org,
      );
      const hosts = await listKnownHosts(database.kysely, organization.id);
      return ok(
        hosts.map(({ host, key, worker, seenAt }) => ({
          host,
          key,
          fingerprint: fingerprintOf(key),
          worker,
          seen_at: toTimestamp(seenAt),
        })),
      );
    },
  );
};
