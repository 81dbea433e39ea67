import { createHash } from "node:crypto";
import fc from "fast-check";

/** A world of users, organizations and caches, as the contract knows them; ids are made from positions. */

export const ORGANIZATIONS = 3;
export const CACHES = 3;
const USERS = 4;

const ALL_ORGANIZATION = 16_383;
export const ALL_CACHE = 1023;

export type RoleName = "Admin" | "Write" | "View" | "custom";

export interface Realm {
  isPublic: boolean;
  isManaged: boolean;
  /** What its own role allows. */
  customMask: number;
}

export interface Key {
  user: number;
  state: "live" | "expired" | "revoked";
  mask: number;
  pin: { organization: number } | { cache: number } | null;
}

export interface World {
  organizations: Realm[];
  caches: Realm[];
  users: {
    isSuperuser: boolean;
    isActive: boolean;
    /** Roles by organization and by cache; null for none. */
    organizationRoles: (RoleName | null)[];
    cacheRoles: (RoleName | null)[];
    session: "live" | "expired" | "revoked";
  }[];
  keys: Key[];
  /** Whether an organization subscribes to a cache. */
  subscriptions: boolean[][];
}

/** Who asks: nobody, somebody with a token that means nothing, a user by their session, or by a key. */
export type Asker =
  | { kind: "nobody" }
  | { kind: "garbage" }
  | { kind: "session"; user: number }
  | { kind: "key"; key: number };

const role = fc.constantFrom<RoleName | null>(
  null,
  null,
  "Admin",
  "Admin",
  "Write",
  "View",
  "custom",
);
const mostly = fc.constantFrom<"live" | "expired" | "revoked">(
  "live",
  "live",
  "live",
  "live",
  "expired",
  "revoked",
);
const rarely = fc.nat(7).map((chance) => chance === 0);

/** Masks with all, nearly all, or few permissions. */
function maskArbitrary(all: number): fc.Arbitrary<number> {
  const any = fc.nat(all);
  const bit = fc.nat(Math.floor(Math.log2(all))).map((n) => all & ~(1 << n));
  return fc.oneof(fc.constant(all), bit, any);
}

function realm(all: number): fc.Arbitrary<Realm> {
  return fc.record({ isPublic: fc.boolean(), isManaged: rarely, customMask: maskArbitrary(all) });
}

const key: fc.Arbitrary<Key> = fc
  .record({
    user: fc.nat(USERS - 1),
    state: mostly,
    organizationMask: maskArbitrary(ALL_ORGANIZATION),
    cacheMask: maskArbitrary(ALL_CACHE),
    pin: fc.oneof(
      fc.constant(null),
      fc.record({ organization: fc.nat(ORGANIZATIONS - 1) }),
      fc.record({ cache: fc.nat(CACHES - 1) }),
    ),
  })
  .map(({ organizationMask, cacheMask, ...rest }) => ({
    ...rest,
    mask: rest.pin !== null && "cache" in rest.pin ? cacheMask : organizationMask,
  }));

function listOf<T>(item: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> {
  return fc.array(item, { minLength: length, maxLength: length });
}

const KEYS = 8;

export const worldArbitrary: fc.Arbitrary<World> = fc.record({
  organizations: listOf(realm(ALL_ORGANIZATION), ORGANIZATIONS),
  caches: listOf(realm(ALL_CACHE), CACHES),
  users: listOf(
    fc.record({
      isSuperuser: rarely,
      isActive: rarely.map((isDeactivated) => !isDeactivated),
      organizationRoles: listOf(role, ORGANIZATIONS),
      cacheRoles: listOf(role, CACHES),
      session: mostly,
    }),
    USERS,
  ),
  keys: listOf(key, KEYS),
  subscriptions: listOf(listOf(rarely, CACHES), ORGANIZATIONS),
});

export const askerArbitrary: fc.Arbitrary<Asker> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Asker>({ kind: "nobody" }) },
  { weight: 1, arbitrary: fc.constant<Asker>({ kind: "garbage" }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("session" as const), user: fc.nat(USERS - 1) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("key" as const), key: fc.nat(KEYS - 1) }),
  },
);

/** A UUID that says what it is of. */
export function idOf(kind: string, position: number | string): string {
  const hex = createHash("sha256").update(`${kind} ${position}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export const WORKER = "550e8400-e29b-41d4-a716-446655440001";
export const organizationName = (position: number) => `org-${position}`;
export const cacheName = (position: number) => `cache-${position}`;

/** The text of a key. */
export function keyText(position: number): string {
  return `GRAD${createHash("sha256").update(`key ${position}`).digest("hex")}`;
}
