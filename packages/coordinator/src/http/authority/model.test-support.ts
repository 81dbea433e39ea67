import { cachePermissions, organizationPermissions } from "../../auth/permissions.ts";
import { ALL_CACHE, type Asker, type Key, type World } from "./world.test-support.ts";

/**
 * Who may do what, written anew from the contract: a mask of the role, cut by the mask and the pin of the key; strangers are told that a thing
 * does not exist, members that they lack a permission.
 */

type OrganizationPermission = (typeof organizationPermissions)[number]["id"];
type CachePermission = (typeof cachePermissions)[number]["id"];

/** What the server is to answer: it does what was asked for, or one of three refusals. */
export type Verdict = "done" | 401 | 403 | 404;

export type OrganizationDemand = "read" | "member" | OrganizationPermission;
export type CacheDemand = "read" | CachePermission;

const ORGANIZATION_MASKS = { Admin: 16_383, Write: 16_353, View: 929 } as const;
const CACHE_MASKS = { Admin: 1023, Write: 7, View: 3 } as const;

/** Somebody whose credentials are good. */
interface Person {
  user: number;
  key: Key | null;
}

export type Access = "none" | "optional" | "required" | "superuser";

/** The caller that the credentials make, or the refusal. `null` is somebody unknown. */
export function admit(
  world: World,
  asker: Asker,
  route: { access: Access; admitsCacheKeys: boolean },
): { person: Person | null } | { refusal: 401 | 403 } {
  if (route.access === "none") return { person: null };
  const found = identify(world, asker);
  if ("refusal" in found) {
    return route.access === "optional" ? { person: null } : found;
  }
  const { person } = found;
  if (route.access === "superuser" && world.users[person.user]?.isSuperuser !== true) {
    return { refusal: 403 };
  }
  if (!route.admitsCacheKeys && cachePin(person) !== null) return { refusal: 403 };
  return { person };
}

function identify(world: World, asker: Asker): { person: Person } | { refusal: 401 | 403 } {
  if (asker.kind === "nobody" || asker.kind === "garbage") return { refusal: 401 };
  const key = asker.kind === "key" ? at(world.keys, asker.key) : null;
  const position = asker.kind === "session" ? asker.user : (key?.user ?? 0);
  const user = at(world.users, position);
  const state = key === null ? user.session : key.state;
  if (state !== "live") return { refusal: 401 };
  if (!user.isActive) return { refusal: 403 };
  return { person: { user: position, key } };
}

/** What somebody may do in an organization; 0 for who is no member. */
export function organizationMask(
  world: World,
  person: Person | null,
  organization: number,
): { isMember: boolean; mask: number } {
  if (person === null) return { isMember: false, mask: 0 };
  const role = at(at(world.users, person.user).organizationRoles, organization);
  if (role === null) return { isMember: false, mask: 0 };
  const mask =
    role === "custom" ? at(world.organizations, organization).customMask : ORGANIZATION_MASKS[role];
  return { isMember: true, mask: person.key === null ? mask : mask & person.key.mask };
}

/** `organization` is null for one that does not exist. */
export function judgeOrganization(
  world: World,
  person: Person | null,
  organization: number | null,
  demand: OrganizationDemand,
): Verdict {
  if (person !== null && cachePin(person) !== null) return 403;
  if (organization === null) return 404;
  const pin = organizationPin(person);
  if (pin !== null && pin !== organization) return 404;
  if (demand === "read" && at(world.organizations, organization).isPublic) return "done";
  const { isMember, mask } = organizationMask(world, person, organization);
  if (!isMember) return 404;
  const permission = demand === "read" || demand === "member" ? "viewOrg" : demand;
  return (mask & bit(organizationPermissions, permission)) === 0 ? 403 : "done";
}

/** What somebody may do with a cache, and whether it exists for them when it is private. */
export function cacheMask(
  world: World,
  person: Person | null,
  cache: number,
): { hasPart: boolean; mask: number } {
  if (person === null) return { hasPart: false, mask: 0 };
  const user = at(world.users, person.user);
  const role = at(user.cacheRoles, cache);
  const pin = organizationPin(person);
  const isSubscriber = world.subscriptions.some(
    (subscribed, organization) =>
      at(subscribed, cache) &&
      at(user.organizationRoles, organization) !== null &&
      (pin === null || pin === organization),
  );
  if (role === null && !isSubscriber) return { hasPart: false, mask: 0 };
  const name = role ?? "View";
  const mask = name === "custom" ? at(world.caches, cache).customMask : CACHE_MASKS[name];
  const keyMask = person.key !== null && cachePin(person) !== null ? person.key.mask : ALL_CACHE;
  return { hasPart: true, mask: mask & keyMask };
}

/** `cache` is null for one that does not exist. */
export function judgeCache(
  world: World,
  person: Person | null,
  cache: number | null,
  demand: CacheDemand,
): Verdict {
  const pin = person === null ? null : cachePin(person);
  if (pin !== null && pin !== cache) return 403;
  if (cache === null) return 404;
  const { isPublic } = at(world.caches, cache);
  const { hasPart, mask } = cacheMask(world, person, cache);
  if (!isPublic && !hasPart) return 404;
  if (!isPublic && (mask & bit(cachePermissions, "viewCache")) === 0) return 403;
  if (demand === "read") return "done";
  return (mask & bit(cachePermissions, demand)) === 0 ? 403 : "done";
}

export function isPinned(person: Person | null): boolean {
  return person !== null && person.key !== null && person.key.pin !== null;
}

function organizationPin(person: Person | null): number | null {
  const pin = person?.key?.pin ?? null;
  return pin !== null && "organization" in pin ? pin.organization : null;
}

function cachePin(person: Person): number | null {
  const pin = person.key?.pin ?? null;
  return pin !== null && "cache" in pin ? pin.cache : null;
}

function bit(catalogue: readonly { id: string }[], id: string): number {
  return 1 << catalogue.findIndex((entry) => entry.id === id);
}

export function at<T>(list: readonly T[], position: number): T {
  const item = list[position];
  if (item === undefined) throw new Error(`the world has no ${position}`);
  return item;
}
