import { deleteBackfill, insertBackfill } from "../../db/backfill-repository.ts";
import { deleteSubscription, insertSubscription } from "../../db/cache-repository.ts";
import {
  listSubscriptionsOfCache,
  updateSubscription,
  type SubscriptionRow,
} from "../../db/declared-repository.ts";
import type { DeclaredCache } from "../declared.ts";
import { idOf, record, tell, type Applying } from "./applying.ts";

/** Subscribes organizations as the file says. Subscriptions that users have made themselves stay. */
export async function applySubscriptions(applying: Applying): Promise<void> {
  for (const cache of applying.declared.caches) {
    if (await applyOf(applying, cache)) {
      record(applying, "changed", "organizations of cache", cache.name);
    }
  }
}

async function applyOf(applying: Applying, cache: DeclaredCache): Promise<boolean> {
  const { db, removesLeft } = applying;
  const cacheId = idOf(applying.cacheIds, cache.name);
  const found = await listSubscriptionsOfCache(db, cacheId);
  let isChanged = false;
  for (const { organization, mode } of cache.organizations) {
    const organizationId = idOf(applying.organizationIds, organization);
    const row = found.find((each) => each.organization_id === organizationId);
    if (row?.mode === mode && row.managed === 1) continue;
    await put(applying, { organizationId, cacheId }, mode, row);
    isChanged = true;
  }
  const kept = new Set(
    cache.organizations.map(({ organization }) => idOf(applying.organizationIds, organization)),
  );
  for (const row of found) {
    if (row.managed === 0 || kept.has(row.organization_id)) continue;
    const key = { organizationId: row.organization_id, cacheId };
    if (removesLeft) await remove(applying, key);
    else await updateSubscription(db, key, { managed: 0 });
    isChanged = true;
  }
  return isChanged;
}

interface Key {
  readonly organizationId: string;
  readonly cacheId: string;
}

async function put(
  applying: Applying,
  key: Key,
  mode: SubscriptionRow["mode"],
  found: SubscriptionRow | undefined,
): Promise<void> {
  const { db, now } = applying;
  const { organizationId: organization_id, cacheId: cache_id } = key;
  if (found === undefined) {
    await insertSubscription(db, { organization_id, cache_id, mode, created_at: now, managed: 1 });
  } else {
    await updateSubscription(db, key, { mode, managed: 1 });
  }
  const shows = mode !== "ReadOnly";
  if (shows && (found === undefined || found.mode === "ReadOnly")) await insertBackfill(db, key);
  if (!shows) await deleteBackfill(db, key);
  await tell(applying, "caches_of", organization_id);
}

async function remove(applying: Applying, key: Key): Promise<void> {
  await deleteBackfill(applying.db, key);
  await deleteSubscription(applying.db, key);
  await tell(applying, "caches_of", key.organizationId);
}
