import {
  deleteBackfill,
  insertBackfill,
  insertBackfillsOfCache,
} from "../db/backfill-repository.ts";
import {
  deleteSubscription,
  insertSubscription,
  listSubscribers,
  updateCache,
  type ShownCache,
  type SubscriptionMode,
} from "../db/cache-repository.ts";
import type { Database } from "../db/client.ts";
import type { ShownOrganization } from "../db/organization-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import type { Evaluations } from "../ports.ts";

interface Parties {
  organization: Pick<ShownOrganization, "id" | "name">;
  cache: Pick<ShownCache, "id" | "name">;
}

/** Subscribes; what the organization had before is then shown in the cache, too, unless it only reads there. Throws ConflictError. */
export async function subscribe(
  {
    database,
    evaluations,
  }: { database: Database; evaluations: Pick<Evaluations, "cachesChanged"> },
  { organization, cache }: Parties,
  mode: SubscriptionMode,
  now: number,
): Promise<void> {
  const key = { organizationId: organization.id, cacheId: cache.id };
  const isNew = await database.transaction(async ({ kysely }) => {
    const row = { organization_id: organization.id, cache_id: cache.id, mode, created_at: now };
    if (!(await insertSubscription(kysely, row))) return false;
    if (mode !== "ReadOnly") await insertBackfill(kysely, key);
    return true;
  });
  if (!isNew) {
    throw new ConflictError(`"${organization.name}" is subscribed to "${cache.name}" already`, {
      code: "already_exists",
    });
  }
  await evaluations.cachesChanged(organization.id);
}

/** Throws BadRequestError for an organization that is not subscribed. */
export async function unsubscribe(
  { database, evaluations }: { database: Database; evaluations: Evaluations },
  { organization, cache }: Parties,
): Promise<void> {
  const key = { organizationId: organization.id, cacheId: cache.id };
  const wasSubscribed = await database.transaction(async ({ kysely }) => {
    await deleteBackfill(kysely, key);
    return deleteSubscription(kysely, key);
  });
  if (!wasSubscribed) {
    throw new BadRequestError(`"${organization.name}" is not subscribed to "${cache.name}"`);
  }
  await evaluations.cachesChanged(organization.id);
}

/** Switches a cache on. What its organizations built meanwhile is shown there afterwards. */
export async function activateCache(
  { database, evaluations }: { database: Database; evaluations: Evaluations },
  cache: Pick<ShownCache, "id" | "active">,
): Promise<void> {
  if (cache.active === 1) return;
  const organizations = await database.transaction(async ({ kysely }) => {
    await updateCache(kysely, cache.id, { active: 1 });
    await insertBackfillsOfCache(kysely, cache.id);
    return listSubscribers(kysely, cache.id);
  });
  for (const organization of organizations) await evaluations.cachesChanged(organization);
}

/** Switches a cache off: nothing is served or published there until it is switched on again. */
export async function deactivateCache(
  { database, evaluations }: { database: Database; evaluations: Evaluations },
  cache: Pick<ShownCache, "id">,
): Promise<void> {
  await updateCache(database.kysely, cache.id, { active: 0 });
  for (const organization of await listSubscribers(database.kysely, cache.id)) {
    await evaluations.cachesChanged(organization);
  }
}
