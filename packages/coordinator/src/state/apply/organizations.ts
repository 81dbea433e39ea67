import { v7 as uuidv7 } from "uuid";
import { findOrganizationRow } from "../../db/declared-repository.ts";
import {
  insertOrganization,
  updateOrganization,
  type Organization,
} from "../../db/organization-repository.ts";
import { ConflictError } from "../../errors.ts";
import { sealedSshKey, sshKeyContext } from "../../keys/organization-ssh-key.ts";
import type { DeclaredOrganization } from "../declared.ts";
import { creatorId, difference, record, takeSealed, type Applying } from "./applying.ts";
import { applyMembers, firstMember } from "./members.ts";

/** Makes the organizations what the file declares. One that is there by its name is taken over. */
export async function applyOrganizations(applying: Applying): Promise<void> {
  for (const organization of applying.declared.organizations) {
    const found = await findOrganizationRow(applying.db, organization);
    const id = found?.id ?? organization.id ?? uuidv7();
    applying.organizationIds.set(organization.name, id);
    if (found === undefined) await create(applying, id, organization);
    else await change(applying, found, organization);
  }
}

/** After users and roles. */
export async function applyOrganizationMembers(applying: Applying): Promise<void> {
  for (const organization of applying.declared.organizations) {
    const id = applying.organizationIds.get(organization.name) ?? "";
    if (await applyMembers(applying, { kind: "organization", id }, organization)) {
      record(applying, "changed", "members of organization", organization.name);
    }
  }
}

function columnsOf(organization: DeclaredOrganization) {
  return {
    name: organization.name,
    display_name: organization.display_name ?? organization.name,
    description: organization.description,
    public: organization.public ? 1 : 0,
    hide_build_requests: organization.hide_build_requests ? 1 : 0,
    reuse_build_failures: organization.reuse_build_failures ? 1 : 0,
    reuse_build_timeouts: organization.reuse_build_timeouts ? 1 : 0,
    managed: 1,
  } as const;
}

async function create(
  applying: Applying,
  id: string,
  organization: DeclaredOrganization,
): Promise<void> {
  const { db, masterKey, now } = applying;
  const row = {
    ...columnsOf(organization),
    id,
    ...(declaredKey(applying, id, organization, null) ?? sealedSshKey(masterKey, id)),
    created_by: creatorId(applying, organization),
    created_at: now,
  };
  await insertOrganization(db, row, firstMember(applying, organization));
  record(applying, "created", "organization", organization.name);
}

async function change(
  applying: Applying,
  found: Organization,
  organization: DeclaredOrganization,
): Promise<void> {
  const { id, name } = organization;
  if (id !== undefined && id !== found.id) {
    throw new ConflictError(
      `organization "${name}" has the id ${found.id}, which cannot be changed to ${id}: correct the file`,
    );
  }
  const key = declaredKey(applying, found.id, organization, found);
  const changed = difference(found, { ...columnsOf(organization), ...key });
  if (changed === null) return;
  await updateOrganization(applying.db, found.id, changed);
  record(applying, "changed", "organization", name);
}

/** Columns of the key that the file names; null when it names none. */
function declaredKey(
  { masterKey, secrets }: Applying,
  id: string,
  organization: DeclaredOrganization,
  found: Organization | null,
): { ssh_public_key: string; ssh_private_key: string } | null {
  const sealed = organization.private_key_sealed;
  if (sealed !== undefined) {
    return {
      ssh_public_key: organization.public_key ?? "",
      ssh_private_key: takeSealed(masterKey, sealed, sshKeyContext(id)),
    };
  }
  const pair = secrets.sshKeys.get(organization.private_key_file ?? "");
  if (pair === undefined) return null;
  const isSame =
    found !== null && masterKey.open(found.ssh_private_key, sshKeyContext(id)) === pair.privateKey;
  return isSame ? null : sealedSshKey(masterKey, id, pair);
}
