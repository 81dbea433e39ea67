import type { Insertable } from "kysely";
import type { CachesTable } from "./cache-tables.ts";
import type { ProjectsTable } from "./evaluation-tables.ts";
import type { OrganizationsTable } from "./organization-tables.ts";

/** A row that is like any other but in what is given. */
type Of<Table, Needed extends keyof Insertable<Table>> = Pick<Insertable<Table>, Needed> &
  Partial<Insertable<Table>>;

const MADE = {
  display_name: "",
  description: "",
  managed: 0 as const,
  created_by: "test",
  created_at: 0,
};

export function organizationRow(
  of: Of<OrganizationsTable, "id" | "name">,
): Insertable<OrganizationsTable> {
  const keys = { ssh_public_key: "", ssh_private_key: "" };
  return { ...MADE, ...keys, public: 0, hide_build_requests: 0, ...of };
}

export function projectRow(
  of: Of<ProjectsTable, "id" | "organization_id" | "name">,
): Insertable<ProjectsTable> {
  return {
    ...MADE,
    repository: "https://example.org/repo.git",
    wildcard: "*",
    active: 1,
    force_evaluation: 0,
    sign_cache: 1,
    keep_evaluations: 30,
    concurrency: "all",
    ...of,
  };
}

export function cacheRow(of: Of<CachesTable, "id" | "name">): Insertable<CachesTable> {
  return { ...MADE, active: 1, priority: 40, public: 0, max_storage_gb: 0, ...of };
}
