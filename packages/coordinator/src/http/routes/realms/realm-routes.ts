import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { notManaged, type Authority } from "../../../auth/authority.ts";
import type { Granter, NamedRealm } from "../../../members/roles.ts";
import { actorOf } from "../../actor.ts";
import { cacheParams } from "../api/caches/cache.ts";
import { organizationParams } from "../api/orgs/organization.ts";
import { cacheRole, organizationRole } from "./role.ts";

const role = { role: z.guid() };

/** Members and roles of organizations and of caches: the same routes below either's path. */
export const realmRoutes = [
  {
    noun: "organization",
    members: "/orgs/:org/users",
    roles: "/orgs/:org/roles",
    config: { access: "required" },
    /** Those of a public organization are shown to everybody. */
    listMembers: { access: "optional" },
    params: organizationParams,
    roleParams: organizationParams.extend(role),
    role: organizationRole,
  },
  {
    noun: "cache",
    members: "/caches/:cache/members",
    roles: "/caches/:cache/roles",
    config: { access: "required", admitsCacheKeys: true },
    listMembers: { access: "required", admitsCacheKeys: true },
    params: cacheParams,
    roleParams: cacheParams.extend(role),
    role: cacheRole,
  },
] as const;

type Params = { org: string } | { cache: string };

/** The realm whose members the caller may see. */
export async function realmWithMembers(
  authority: Authority,
  request: FastifyRequest,
  params: Params,
): Promise<NamedRealm> {
  if ("cache" in params) return realmWithRoles(authority, request, params);
  const { organization } = await authority.readOrganization(request.caller, params.org);
  return ofOrganization(organization);
}

/** The realm whose roles the caller may see. */
export async function realmWithRoles(
  authority: Authority,
  request: FastifyRequest,
  params: Params,
): Promise<NamedRealm> {
  if ("cache" in params) {
    return ofCache((await authority.cache(request.caller, params.cache, "viewCache")).cache);
  }
  const { organization } = await authority.memberOrganization(request.caller, params.org);
  return ofOrganization(organization);
}

const PERMISSIONS = {
  members: { organization: "manageMembers", cache: "manageCacheMembers" },
  roles: { organization: "manageRoles", cache: "manageCacheRoles" },
} as const;

/** The realm whose members or roles the caller may change, and what they may give. */
export async function managedRealm(
  authority: Authority,
  request: FastifyRequest & { params: Params },
  what: keyof typeof PERMISSIONS,
): Promise<{ realm: NamedRealm; granter: Granter }> {
  const { params } = request;
  const permissions = PERMISSIONS[what];
  const actor = actorOf(request);
  if ("cache" in params) {
    const { cache, mask } = await authority.cache(request.caller, params.cache, permissions.cache);
    notManaged(cache);
    return { realm: ofCache(cache), granter: { mask, actor } };
  }
  const { organization, mask } = await authority.organization(
    request.caller,
    params.org,
    permissions.organization,
  );
  notManaged(organization);
  return { realm: ofOrganization(organization), granter: { mask, actor } };
}

function ofOrganization({ id, name }: { id: string; name: string }): NamedRealm {
  return { kind: "organization", id, name };
}

function ofCache({ id, name }: { id: string; name: string }): NamedRealm {
  return { kind: "cache", id, name };
}
