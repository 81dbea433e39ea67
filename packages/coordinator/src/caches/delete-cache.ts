import { audit, type Actor } from "../accounts/audit.ts";
import { deleteCache, listSubscribers, type ShownCache } from "../db/cache-repository.ts";
import type { Database } from "../db/client.ts";
import type { Evaluations } from "../ports.ts";

/** Removes the cache with its paths, members, roles and subscriptions. */
export async function removeCache(
  {
    database,
    evaluations,
  }: { database: Database; evaluations: Pick<Evaluations, "cachesChanged"> },
  cache: Pick<ShownCache, "id" | "name">,
  actor: Actor,
  now: number,
): Promise<void> {
  const organizations = await database.transaction(async ({ kysely }) => {
    const subscribers = await listSubscribers(kysely, cache.id);
    await deleteCache(kysely, cache.id);
    await audit(kysely, { event: "cache.delete", actor, subject: cache.name }, now);
    return subscribers;
  });
  for (const organization of organizations) await evaluations.cachesChanged(organization);
}
