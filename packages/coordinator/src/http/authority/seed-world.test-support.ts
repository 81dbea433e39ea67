import { hashPassword } from "../../auth/passwords.ts";
import { sha256Hex } from "../../auth/random-token.ts";
import type { Database, Queries } from "../../db/client.ts";
import { generateCacheKey, newKeyRow } from "../../keys/cache-key.ts";
import type { MasterKey } from "../../keys/master-key.ts";
import { at } from "./model.test-support.ts";
import {
  cacheName,
  CACHES,
  idOf,
  keyText,
  organizationName,
  WORKER,
  type Realm,
  type World,
} from "./world.test-support.ts";
import { cacheRow, organizationRow, projectRow } from "../../db/rows.test-support.ts";

/** Time of the rows; what has expired has done so before. */
const CREATED = 1_763_769_600_000;
const FAR = 10_000_000_000_000;

const passwordHash = await hashPassword("Correct-Horse7");

/** One that the server may not ask, so that nobody is. */
const REPOSITORY = "https://127.0.0.1/site.git";

const times = { live: FAR, revoked: FAR, expired: 1 } as const;
const flag = (value: boolean): 0 | 1 => (value ? 1 : 0);

/** Makes the database say what the world says, and nothing else. */
export async function seedWorld(
  { database, masterKey }: { database: Database; masterKey: MasterKey },
  world: World,
): Promise<void> {
  await database.relaxedTransaction(async ({ kysely: db }) => {
    for (const table of ["users", "organizations", "caches", "commits"] as const) {
      await db.deleteFrom(table).execute();
    }
    await insertUsers(db, world);
    for (const [position, realm] of world.organizations.entries()) {
      await insertOrganization(db, realm, position);
    }
    for (const [position, realm] of world.caches.entries()) {
      await insertCache(db, masterKey, realm, position);
    }
    await insertBonds(db, world);
  });
}

function userRow(id: string, name: string, isSuperuser: boolean, isActive: boolean) {
  return {
    id,
    username: name,
    name,
    email: `${name}@example.com`,
    password_hash: passwordHash,
    superuser: flag(isSuperuser),
    email_verified: 1 as const,
    active: flag(isActive),
    created_at: CREATED,
    last_login_at: null,
  };
}

async function insertUsers(db: Queries, world: World): Promise<void> {
  const users = world.users.map(({ isSuperuser, isActive }, position) =>
    userRow(idOf("user", position), `user-${position}`, isSuperuser, isActive),
  );
  // The owner is Admin everywhere, so that nobody else is the last one; the guest is there to be changed, the newcomer to be added.
  const others = ["owner", "guest", "newcomer"].map((name) =>
    userRow(idOf("user", name), name, false, true),
  );
  await db
    .insertInto("users")
    .values([...users, ...others])
    .execute();
  const sessions = world.users.map(({ session }, position) => ({
    id: idOf("session", position),
    user_id: idOf("user", position),
    created_at: CREATED,
    expires_at: times[session],
    last_used_at: CREATED,
    revoked_at: session === "revoked" ? CREATED : null,
  }));
  await db.insertInto("sessions").values(sessions).execute();
}

async function insertOrganization(db: Queries, realm: Realm, position: number): Promise<void> {
  const id = idOf("organization", position);
  const managed = flag(realm.isManaged);
  await db
    .insertInto("organizations")
    .values(
      organizationRow({
        id,
        name: organizationName(position),
        display_name: "Organization",
        public: flag(realm.isPublic),
        ssh_public_key: "ssh-ed25519 AAAA",
        ssh_private_key: "sealed",
        managed,
        created_by: idOf("user", "owner"),
        created_at: CREATED,
      }),
    )
    .execute();
  const unused = { permissions: 1, managed: 0 as const, created_at: CREATED, cache_id: null };
  await db
    .insertInto("roles")
    .values([
      {
        ...unused,
        id: idOf("role", `organization ${position}`),
        organization_id: id,
        name: "custom",
        permissions: realm.customMask,
      },
      {
        ...unused,
        id: idOf("unused role", `organization ${position}`),
        organization_id: id,
        name: "unused",
      },
    ])
    .execute();
  await db
    .insertInto("projects")
    .values(
      projectRow({
        id: idOf("project", position),
        organization_id: id,
        name: "site",
        display_name: "Site",
        repository: REPOSITORY,
        managed,
        concurrency: "soft_abort",
        created_by: idOf("user", "owner"),
        created_at: CREATED,
      }),
    )
    .execute();
  await db
    .insertInto("worker_registrations")
    .values({
      organization_id: id,
      worker_id: WORKER,
      display_name: "worker",
      token_hash: "0",
      enable_fetch: 1,
      enable_eval: 1,
      enable_build: 1,
      active: 1,
      registered_at: CREATED,
    })
    .execute();
  await db
    .insertInto("known_host_keys")
    .values({
      organization_id: id,
      host: "host.example",
      key: "ssh-ed25519 AAAA",
      worker_id: WORKER,
      seen_at: CREATED,
    })
    .execute();
  await insertEvaluation(db, id, position);
}

/** One that has ended, with one build. */
async function insertEvaluation(
  db: Queries,
  organization: string,
  position: number,
): Promise<void> {
  const commit = idOf("commit", position);
  await db
    .insertInto("commits")
    .values({
      id: commit,
      hash: "a".repeat(40),
      message: "m",
      author_name: "a",
      author_email: "a@example.com",
      created_at: CREATED,
    })
    .execute();
  const evaluation = idOf("evaluation", position);
  await db
    .insertInto("evaluations")
    .values({
      id: evaluation,
      organization_id: organization,
      project_id: idOf("project", position),
      repository: REPOSITORY,
      wildcard: "*",
      commit_id: commit,
      state: "Completed",
      created_at: CREATED,
      updated_at: CREATED,
    })
    .execute();
  const derivation = await db
    .insertInto("derivations")
    .values({
      organization_id: organization,
      drv_path: `${"0".repeat(32)}-x.drv`,
      name: "x",
      system: "x86_64-linux",
      required_features_json: "[]",
      is_fixed_output: 0,
      facts_json: "{}",
      created_at: CREATED,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  const build = await db
    .insertInto("builds")
    .values({
      organization_id: organization,
      derivation_id: derivation.id,
      state: "Completed",
      unmet_dependencies: 0,
      created_at: CREATED,
      updated_at: CREATED,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await db
    .insertInto("evaluation_builds")
    .values({ id: idOf("build", position), evaluation_id: evaluation, build_id: build.id })
    .execute();
}

const spareKeys = Array.from({ length: CACHES }, (_, position) =>
  generateCacheKey(`spare-${position}`),
);
const cacheKeys = Array.from({ length: CACHES }, (_, position) =>
  generateCacheKey(cacheName(position)),
);

async function insertCache(
  db: Queries,
  masterKey: MasterKey,
  realm: Realm,
  position: number,
): Promise<void> {
  const id = idOf("cache", position);
  const key = at(cacheKeys, position);
  await db
    .insertInto("caches")
    .values(
      cacheRow({
        id,
        name: cacheName(position),
        display_name: "Cache",
        public: flag(realm.isPublic),
        managed: flag(realm.isManaged),
        created_by: idOf("user", "owner"),
        created_at: CREATED,
      }),
    )
    .execute();
  const keyTimes = { isComplete: true, now: CREATED };
  await db
    .insertInto("cache_keys")
    .values([
      { ...newKeyRow(masterKey, id, key, keyTimes), id: idOf("key", position) },
      {
        ...newKeyRow(masterKey, id, at(spareKeys, position), keyTimes),
        id: idOf("spare key", position),
      },
    ])
    .execute();
  const role = {
    organization_id: null,
    cache_id: id,
    managed: 0 as const,
    created_at: CREATED,
  };
  await db
    .insertInto("roles")
    .values([
      {
        ...role,
        id: idOf("role", `cache ${position}`),
        name: "custom",
        permissions: realm.customMask,
      },
      { ...role, id: idOf("unused role", `cache ${position}`), name: "unused", permissions: 1 },
    ])
    .execute();
  await db
    .insertInto("cache_upstreams")
    .values({
      id: idOf("upstream", position),
      cache_id: id,
      kind: "http",
      display_name: "Up",
      mode: "ReadOnly",
      url: "https://up.example",
      public_key: "k:AAAA",
      created_at: CREATED,
    })
    .execute();
}

/** Memberships, subscriptions and keys. */
async function insertBonds(db: Queries, world: World): Promise<void> {
  const everywhere = [
    { user_id: idOf("user", "owner"), role: "Admin" },
    { user_id: idOf("user", "guest"), role: "View" },
  ];
  const rolesIn = (kind: "organizationRoles" | "cacheRoles", realm: number) =>
    world.users.flatMap((user, position) => {
      const role = user[kind][realm] ?? null;
      return role === null ? [] : [{ user_id: idOf("user", position), role }];
    });
  for (const position of world.organizations.keys()) {
    const members = [...everywhere, ...rolesIn("organizationRoles", position)];
    const organization_id = idOf("organization", position);
    await db
      .insertInto("organization_members")
      .values(members.map((member) => ({ ...member, organization_id })))
      .execute();
  }
  for (const position of world.caches.keys()) {
    const members = [...everywhere, ...rolesIn("cacheRoles", position)];
    const cache_id = idOf("cache", position);
    await db
      .insertInto("cache_members")
      .values(members.map((member) => ({ ...member, cache_id })))
      .execute();
  }
  const subscriptions = world.subscriptions.flatMap((caches, organization) =>
    caches.flatMap((isSubscribed, cache) =>
      isSubscribed
        ? [
            {
              organization_id: idOf("organization", organization),
              cache_id: idOf("cache", cache),
              mode: "ReadWrite" as const,
              created_at: CREATED,
            },
          ]
        : [],
    ),
  );
  if (subscriptions.length > 0) {
    await db.insertInto("cache_subscriptions").values(subscriptions).execute();
  }
  const keys = world.keys.map(({ user, state, mask, pin }, position) => ({
    id: idOf("key", position),
    user_id: idOf("user", user),
    name: `key-${position}`,
    secret_hash: sha256Hex(keyText(position).slice(4)),
    permissions: mask,
    organization_id:
      pin !== null && "organization" in pin ? idOf("organization", pin.organization) : null,
    cache_id: pin !== null && "cache" in pin ? idOf("cache", pin.cache) : null,
    allowed_ips_json: "[]",
    managed: 0 as const,
    created_at: CREATED,
    last_used_at: null,
    expires_at: times[state],
    revoked_at: state === "revoked" ? CREATED : null,
  }));
  await db.insertInto("api_keys").values(keys).execute();
}
