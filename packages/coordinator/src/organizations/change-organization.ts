import type { Database } from "../db/client.ts";
import { updateOrganization, type ShownOrganization } from "../db/organization-repository.ts";
import { ConflictError } from "../errors.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";

export interface OrganizationSettings {
  name: string;
  displayName: string;
  description: string;
  hidesBuildRequests: boolean;
  /** What failed, or took too long, before is not built again. */
  reusesFailures: boolean;
  reusesTimeouts: boolean;
}

/** Stores the settings. A name that did not change is not checked again. Throws BadRequestError, ConflictError. */
export async function changeOrganization(
  database: Database,
  organization: ShownOrganization,
  settings: OrganizationSettings,
): Promise<void> {
  if (settings.name !== organization.name) checkSlug("organization", settings.name);
  checkDisplayName(settings.displayName);
  const isStored = await database.transaction((tx) =>
    updateOrganization(tx.kysely, organization.id, {
      name: settings.name,
      display_name: settings.displayName,
      description: settings.description,
      hide_build_requests: settings.hidesBuildRequests ? 1 : 0,
      reuse_build_failures: settings.reusesFailures ? 1 : 0,
      reuse_build_timeouts: settings.reusesTimeouts ? 1 : 0,
    }),
  );
  if (isStored) return;
  throw new ConflictError(`an organization named "${settings.name}" exists already`, {
    code: "already_exists",
  });
}
