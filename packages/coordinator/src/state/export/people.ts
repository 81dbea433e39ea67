import {
  cachePermissions,
  organizationPermissions,
  permissionNames,
} from "../../auth/permissions.ts";
import type { Declarable } from "../../db/state-view.ts";
import type { Names } from "../export-state.ts";

/** With Argon2id hashes of passwords. Sessions and links to single sign-on are left out. */
export function exportUsers({ users }: Declarable): object {
  return Object.fromEntries(
    users.map((user) => [
      user.username,
      {
        name: user.name,
        email: user.email,
        password_hash: user.password_hash,
        email_verified: user.email_verified === 1,
        superuser: user.superuser === 1,
        active: user.active === 1,
      },
    ]),
  );
}

/** Secret halves of SSH keys as the master key has sealed them. */
export function exportOrganizations(rows: Declarable, names: Names): object {
  return Object.fromEntries(
    rows.organizations.map((organization) => [
      organization.name,
      {
        id: organization.id,
        display_name: organization.display_name,
        description: organization.description,
        public: organization.public === 1,
        hide_build_requests: organization.hide_build_requests === 1,
        reuse_build_failures: organization.reuse_build_failures === 1,
        reuse_build_timeouts: organization.reuse_build_timeouts === 1,
        public_key: organization.ssh_public_key,
        private_key_sealed: organization.ssh_private_key,
        members: membersOf(rows.organizationMembers, organization.id),
        created_by: names.creator(organization.created_by),
      },
    ]),
  );
}

/** Members of one organization or cache. */
export function membersOf(
  members: Declarable["organizationMembers"],
  realmId: string,
): { user: string; role: string }[] {
  return members
    .filter((member) => member.realm_id === realmId)
    .map(({ user, role }) => ({ user, role }));
}

/** Built-in roles are every farm's, and left out. */
export function exportRoles({ roles }: Declarable, names: Names): object {
  return Object.fromEntries(
    roles.map(({ name, organization_id: organizationId, cache_id: cacheId, permissions }) => {
      const organization = names.organizations.get(organizationId ?? "");
      const cache = names.caches.get(cacheId ?? "");
      const catalogue = cache === undefined ? organizationPermissions : cachePermissions;
      return [
        cache === undefined ? `${organization}/${name}` : `cache/${cache}/${name}`,
        { name, organization, cache, permissions: permissionNames(catalogue, permissions) },
      ];
    }),
  );
}
