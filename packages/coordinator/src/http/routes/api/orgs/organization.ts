import { z } from "zod";
import type { OrganizationMembership } from "../../../../db/organization-repository.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";

export const organizationSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    display_name: z.string(),
    description: z.string(),
    public_key: z.string(),
    public: z.boolean(),
    hide_build_requests: z.boolean(),
    reuse_build_failures: z
      .boolean()
      .meta({ description: "What failed in an earlier evaluation is not built again." }),
    reuse_build_timeouts: z
      .boolean()
      .meta({ description: "What took too long in an earlier evaluation is not built again." }),
    managed: z.boolean(),
    created_by: z.uuid(),
    created_at: timestamp,
    role: z.string().nullable(),
  })
  .meta({ id: "Organization" });

/** `role` is the caller's own; null for who is no member. */
export function toOrganization(row: OrganizationMembership): z.infer<typeof organizationSchema> {
  return {
    id: row.id,
    name: row.name,
    display_name: row.display_name,
    description: row.description,
    public_key: row.ssh_public_key,
    public: row.public === 1,
    hide_build_requests: row.hide_build_requests === 1,
    reuse_build_failures: row.reuse_build_failures === 1,
    reuse_build_timeouts: row.reuse_build_timeouts === 1,
    managed: row.managed === 1,
    created_by: row.created_by,
    created_at: toTimestamp(row.created_at),
    role: row.role,
  };
}

export const organizationParams = z.object({ org: z.string() });
