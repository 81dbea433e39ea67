import { findSession, type BuildRequestSession } from "../db/build-request-repository.ts";
import { findBuildFacts, type BuildFacts } from "../db/build-view.ts";
import { findCacheByName, type CacheMembership, type CacheViewer } from "../db/cache-repository.ts";
import type { Queries } from "../db/client.ts";
import { findCommit, organizationsOfCommit, type Commit } from "../db/commit-repository.ts";
import { findEvaluationFacts, type EvaluationFacts } from "../db/evaluation-view.ts";
import {
  findOrganization,
  findOrganizationByName,
  listMemberships,
  listReadable,
  type OrganizationMembership,
} from "../db/organization-repository.ts";
import { findProject, type ProjectWithLast } from "../db/project-repository.ts";
import { ForbiddenError, NotFoundError, UnauthorizedError } from "../errors.ts";
import type { Caller, SignedIn } from "./caller.ts";
import {
  ALL_CACHE_PERMISSIONS,
  builtInCacheRoles,
  builtInOrganizationRoles,
  hasCachePermission,
  hasOrganizationPermission,
  roleMask,
  type CachePermission,
  type OrganizationPermission,
} from "./permissions.ts";

/**
 * Who may do what: the only place that decides it.
 *
 * Organization: a caller's mask is their role's mask AND their key's. A key that is pinned to an organization makes its owner a stranger
 * everywhere else, also to public organizations. Who is no member gets the same answer as for a name that does not exist, unless the
 * organization is public and they only read. A member without the permission is forbidden.
 * Cache: the role's mask, or View for members of a subscribed organization, AND the key's mask when the key is pinned to that cache (an
 * organization key's mask cannot express cache rights). A key that is pinned to a cache reaches that cache and nothing else.
 */

export interface OrganizationAccess {
  organization: OrganizationMembership;
  /** Effective permissions; 0 for who is no member. */
  mask: number;
}

export interface ProjectAccess extends OrganizationAccess {
  project: ProjectWithLast;
}

export interface EvaluationAccess extends OrganizationAccess {
  evaluation: EvaluationFacts;
}

export interface BuildAccess extends OrganizationAccess {
  build: BuildFacts;
}

export interface BuildRequestAccess extends OrganizationAccess {
  session: BuildRequestSession;
}

export interface CacheAccess {
  cache: CacheMembership;
  /** Effective permissions; 0 for a stranger who reads a public cache. */
  mask: number;
}

/** What is asked of an organization: to be read, to be read by a member, or one permission. */
type OrganizationDemand = "read" | "member" | { permission: OrganizationPermission };

/**
 * Every question is answered from the database, so what was taken from somebody is gone with their next request. Methods that give something back
 * throw NotFoundError for what the caller may not know of, and ForbiddenError for what they may only see.
 */
export class Authority {
  readonly #db: Queries;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** The organization, when it is public or the caller's. */
  async readOrganization(caller: Caller, name: string): Promise<OrganizationAccess> {
    return this.#organizationByName(caller, name, "read");
  }

  /** The organization, when the caller is a member who may view it. */
  async memberOrganization(caller: Caller, name: string): Promise<OrganizationAccess> {
    return this.#organizationByName(caller, name, "member");
  }

  /** Every organization that the caller is a member of and may view. */
  async memberOrganizations(caller: Caller): Promise<OrganizationAccess[]> {
    const { user } = signedIn(caller);
    const memberships = await listMemberships(this.#db, user.id);
    return memberships
      .map((organization) => accessOf(caller, organization))
      .filter((access) => access !== null)
      .filter(({ mask }) => hasOrganizationPermission(mask, "viewOrg"));
  }

  /** Ids of the organizations whose builds the caller is told of in one list: those that they are a member of and may view. */
  async organizationsOfBuilds(caller: Caller): Promise<string[]> {
    const { key } = signedIn(caller);
    if (key !== null && !hasOrganizationPermission(key.permissions, "viewOrg")) {
      throw new ForbiddenError("this API key lacks the permission viewOrg (build:read)");
    }
    const accesses = await this.memberOrganizations(caller);
    return accesses.map(({ organization }) => organization.id);
  }

  /** Ids of the organizations whose builds and evaluations the caller is told of by Cuirass's API: public ones, and those that they may view. Refuses nobody. */
  async organizationsToRead(caller: Caller): Promise<string[]> {
    const found = await listReadable(this.#db, userIdOf(caller));
    return found.filter((each) => isShownTo(caller, each)).map(({ id }) => id);
  }

  /** Whether what belongs to the organization is there for the caller at all. */
  async mayReadOrganization(caller: Caller, id: string): Promise<boolean> {
    const organization = await findOrganization(this.#db, id, userIdOf(caller));
    return organization !== undefined && isShownTo(caller, organization);
  }

  /** Whether the caller may start evaluations in the organization. */
  async mayTrigger(caller: Caller, organizationId: string): Promise<boolean> {
    const organization = await findOrganization(this.#db, organizationId, userIdOf(caller));
    if (organization === undefined || !isShownTo(caller, organization)) return false;
    const access = accessOf(caller, organization);
    return access !== null && hasOrganizationPermission(access.mask, "triggerEvaluation");
  }

  /** Refuses who may not read the attempt, whose organization is given; null for one that does not exist. */
  async readAttempt(caller: Caller, number: string, organizationId: string | null): Promise<void> {
    signedIn(caller);
    const missing = `build ${number} does not exist`;
    if (organizationId === null) throw new NotFoundError(missing);
    demanded(await this.#organizationById(caller, organizationId), "read", missing);
  }

  /** The organization, when the caller has this permission in it. */
  async organization(
    caller: Caller,
    name: string,
    permission: OrganizationPermission,
  ): Promise<OrganizationAccess> {
    return this.#organizationByName(caller, name, { permission });
  }

  /** As readOrganization, and a project of it, active or not. */
  async readProject(caller: Caller, organization: string, name: string): Promise<ProjectAccess> {
    return this.#project(await this.readOrganization(caller, organization), name);
  }

  /** As organization, and a project of it, active or not. */
  async project(
    caller: Caller,
    path: { org: string; project: string },
    permission: OrganizationPermission,
  ): Promise<ProjectAccess> {
    return this.#project(await this.organization(caller, path.org, permission), path.project);
  }

  /** By its UUID, when its organization is public or the caller's. */
  async readEvaluation(caller: Caller, id: string): Promise<EvaluationAccess> {
    return this.#evaluation(caller, id, "read");
  }

  /** By its UUID, when the caller is a member who may view its organization. */
  async memberEvaluation(caller: Caller, id: string): Promise<EvaluationAccess> {
    return this.#evaluation(caller, id, "member");
  }

  /** By its UUID, when the caller has this permission in its organization. */
  async evaluation(
    caller: Caller,
    id: string,
    permission: OrganizationPermission,
  ): Promise<EvaluationAccess> {
    return this.#evaluation(caller, id, { permission });
  }

  /** An evaluation build by its UUID, when its organization is public or the caller's. */
  async readBuild(caller: Caller, id: string): Promise<BuildAccess> {
    return this.#build(caller, id, "read");
  }

  /** An evaluation build by its UUID, when the caller is a member who may view its organization. */
  async memberBuild(caller: Caller, id: string): Promise<BuildAccess> {
    return this.#build(caller, id, "member");
  }

  /**
   * The build whose products are asked for: one that the caller may read, or the one that a download token names. Throws UnauthorizedError for
   * an anonymous caller where credentials would have to decide.
   */
  async downloadableBuild(
    caller: Caller,
    id: string,
    grant: { derivation: number } | null,
  ): Promise<BuildFacts> {
    if (grant !== null) {
      const build = await findBuildFacts(this.#db, id);
      if (build?.derivation_id === grant.derivation) return build;
    }
    try {
      return (await this.readBuild(caller, id)).build;
    } catch (error) {
      if (caller.kind === "signed-in" || !(error instanceof NotFoundError)) throw error;
      throw new UnauthorizedError(
        `build ${id} can only be downloaded from with credentials, or with a token of GET /builds/${id}/download-token that is not expired`,
      );
    }
  }

  /** The commit, when some evaluation of it lies in an organization that the caller may read. */
  async readCommit(caller: Caller, id: string): Promise<Commit> {
    const missing = `commit ${id} does not exist`;
    const commit = await findCommit(this.#db, id);
    if (commit === undefined) throw new NotFoundError(missing);
    for (const organizationId of await organizationsOfCommit(this.#db, id)) {
      const access = await this.#organizationById(caller, organizationId);
      if (access !== null && mayRead(access)) return commit;
    }
    throw new NotFoundError(missing);
  }

  /** The session, when the caller opened it and may still trigger evaluations in its organization. Everybody else is told that there is none. */
  async buildRequest(caller: Caller, id: string): Promise<BuildRequestAccess> {
    const missing = `session ${id} does not exist`;
    const session = await findSession(this.#db, id);
    if (session === null || session.userId !== userIdOf(caller)) throw new NotFoundError(missing);
    const access = await this.#organizationById(caller, session.organizationId);
    if (access === null || !hasOrganizationPermission(access.mask, "triggerEvaluation")) {
      throw new NotFoundError(missing);
    }
    return { ...access, session };
  }

  /** The cache, when it is public or the caller has part in it. */
  async readCache(caller: Caller, name: string): Promise<CacheAccess> {
    const key = caller.kind === "signed-in" ? caller.key : null;
    const cache = await findCacheByName(this.#db, name, viewerOf(caller));
    if (key !== null && key.cacheId !== null && cache?.id !== key.cacheId) {
      throw new ForbiddenError("this API key is pinned to another cache");
    }
    const mask = cache === undefined ? 0 : cacheMask(caller, cache);
    if (cache === undefined || (cache.public === 0 && !isPartOf(cache))) {
      throw new NotFoundError(`cache "${name}" does not exist`);
    }
    if (cache.public === 0 && !hasCachePermission(mask, "viewCache")) {
      throw missingPermission("viewCache", "cache", name);
    }
    return { cache, mask };
  }

  /** Any cache, for superusers. */
  async anyCache(caller: Caller, name: string): Promise<CacheMembership> {
    const cache = await findCacheByName(this.#db, name, viewerOf(caller));
    if (caller.kind === "signed-in" && caller.user.superuser === 1 && cache !== undefined) {
      return cache;
    }
    throw new NotFoundError(`cache "${name}" does not exist`);
  }

  /** The cache, when the caller has this permission in it. Throws as readCache, and ForbiddenError. */
  async cache(caller: Caller, name: string, permission: CachePermission): Promise<CacheAccess> {
    const access = await this.readCache(caller, name);
    if (hasCachePermission(access.mask, permission)) return access;
    throw missingPermission(permission, "cache", name);
  }

  async #organizationByName(
    caller: Caller,
    name: string,
    demand: OrganizationDemand,
  ): Promise<OrganizationAccess> {
    const organization = await findOrganizationByName(this.#db, name, userIdOf(caller));
    return demanded(
      organization === undefined ? null : accessOf(caller, organization),
      demand,
      `organization "${name}" does not exist`,
    );
  }

  async #organizationById(caller: Caller, id: string): Promise<OrganizationAccess | null> {
    const organization = await findOrganization(this.#db, id, userIdOf(caller));
    return organization === undefined ? null : accessOf(caller, organization);
  }

  async #project(access: OrganizationAccess, name: string): Promise<ProjectAccess> {
    const project = await findProject(this.#db, access.organization.id, name);
    if (project !== undefined) return { ...access, project };
    throw new NotFoundError(
      `project "${name}" does not exist in organization "${access.organization.name}"`,
    );
  }

  async #evaluation(
    caller: Caller,
    id: string,
    demand: OrganizationDemand,
  ): Promise<EvaluationAccess> {
    const missing = `evaluation ${id} does not exist`;
    const evaluation = await findEvaluationFacts(this.#db, id);
    if (evaluation === undefined) throw new NotFoundError(missing);
    const access = await this.#organizationById(caller, evaluation.organization_id);
    return { ...demanded(access, demand, missing), evaluation };
  }

  async #build(caller: Caller, id: string, demand: OrganizationDemand): Promise<BuildAccess> {
    const missing = `build ${id} does not exist`;
    const build = await findBuildFacts(this.#db, id);
    if (build === undefined) throw new NotFoundError(missing);
    const access = await this.#organizationById(caller, build.organization_id);
    return { ...demanded(access, demand, missing), build };
  }
}

/** The caller as one who has shown credentials. Throws UnauthorizedError. */
export function signedIn(caller: Caller): SignedIn {
  if (caller.kind === "signed-in") return caller;
  throw new UnauthorizedError("credentials are needed: send Authorization: Bearer <token>");
}

/** Refuses API keys where only a session will do, so that a leaked key cannot make others. */
export function bySession(caller: Caller): SignedIn {
  const person = signedIn(caller);
  if (person.key === null) return person;
  throw new ForbiddenError("an API key may not do this; log in and use the session's token");
}

/** Who may make organizations and caches is a setting. A key that is pinned makes nothing outside its pin. */
export function mayCreate(
  caller: Caller,
  what: "organizations" | "caches",
  setting: "none" | "superusers" | "everyone",
): SignedIn {
  const person = signedIn(caller);
  if (setting === "none") {
    throw new ForbiddenError(`this server lets nobody create ${what}`, {
      code: "creation_disabled",
    });
  }
  if (setting === "superusers" && person.user.superuser === 0) {
    throw new ForbiddenError(`only superusers may create ${what} on this server`, {
      code: "superuser_required",
    });
  }
  if (person.key !== null && person.key.organizationId !== null) {
    throw new ForbiddenError(`a pinned API key may not create ${what}`);
  }
  return person;
}

/** Refuses changes to what a configuration file declares. */
export function notManaged(what: { managed: 0 | 1; name: string }): void {
  if (what.managed === 0) return;
  throw new ForbiddenError(
    `"${what.name}" is managed by the server's configuration and cannot be changed here`,
  );
}

function userIdOf(caller: Caller): string | null {
  return caller.kind === "signed-in" ? caller.user.id : null;
}

function viewerOf(caller: Caller): CacheViewer {
  if (caller.kind === "anonymous") return { userId: null, onlyOrganizationId: null };
  return { userId: caller.user.id, onlyOrganizationId: caller.key?.organizationId ?? null };
}

/** null when a pin keeps the caller from even knowing of the organization. */
function accessOf(caller: Caller, organization: OrganizationMembership): OrganizationAccess | null {
  const key = caller.kind === "signed-in" ? caller.key : null;
  if (key !== null && key.cacheId !== null) {
    throw new ForbiddenError("this API key is pinned to a cache and reaches nothing else");
  }
  if (key !== null && key.organizationId !== null && key.organizationId !== organization.id) {
    return null;
  }
  const { role, role_permissions: stored } = organization;
  const mask = roleMask(builtInOrganizationRoles, role, stored);
  return { organization, mask: key === null ? mask : mask & key.permissions };
}

/** Without a refusal: who may not know of an organization is told nothing. A key that is pinned to a cache reaches that cache and nothing else. */
function isShownTo(caller: Caller, organization: OrganizationMembership): boolean {
  if (caller.kind === "signed-in" && caller.key !== null && caller.key.cacheId !== null)
    return false;
  const access = accessOf(caller, organization);
  return access !== null && mayRead(access);
}

function mayRead(access: OrganizationAccess): boolean {
  return access.organization.public === 1 || hasOrganizationPermission(access.mask, "viewOrg");
}

function demanded(
  access: OrganizationAccess | null,
  demand: OrganizationDemand,
  missing: string,
): OrganizationAccess {
  if (access === null) throw new NotFoundError(missing);
  const { organization, mask } = access;
  if (demand === "read" && organization.public === 1) return access;
  if (organization.role === null) throw new NotFoundError(missing);
  const permission = typeof demand === "string" ? "viewOrg" : demand.permission;
  if (hasOrganizationPermission(mask, permission)) return access;
  throw missingPermission(permission, "organization", organization.name);
}

/** Has part in the cache by a role or by an organization that subscribes to it. */
function isPartOf(cache: CacheMembership): boolean {
  return cache.role !== null || cache.is_subscriber;
}

function cacheMask(caller: Caller, cache: CacheMembership): number {
  const role = cache.role ?? (cache.is_subscriber ? "View" : null);
  const key = caller.kind === "signed-in" ? caller.key : null;
  const keyMask = key !== null && key.cacheId !== null ? key.permissions : ALL_CACHE_PERMISSIONS;
  return roleMask(builtInCacheRoles, role, cache.role_permissions) & keyMask;
}

function missingPermission(permission: string, kind: string, name: string): ForbiddenError {
  return new ForbiddenError(`the permission ${permission} on ${kind} "${name}" is needed`);
}
