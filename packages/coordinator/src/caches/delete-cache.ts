import { audit, type Actor } from "../accounts/audit.ts";
import { deleteCache, type ShownCache } from "../db/cache-repository.ts";
import type { Database } from "../db/client.ts";

/** Removes the cache with its paths, members, roles and subscriptions. */
export async function removeCache(
  database: Database,
  cache: Pick<ShownCache, "id" | "name">,
  actor: Actor,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    await deleteCache(kysely, cache.id);
    await audit(kysely, { event: "cache.delete", actor, subject: cache.name }, now);
  });
}
