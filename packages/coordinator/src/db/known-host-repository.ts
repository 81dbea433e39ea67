import type { OrganizationId, WorkerId } from "@gradient/protocol";
import type { Queries } from "./client.ts";

/** The key by which an organization knows an ssh host. */
export interface KnownHost {
  /** As known_hosts names it: `host`, or `[host]:port`. */
  readonly host: string;
  /** Type and base64, as in known_hosts. */
  readonly key: string;
  readonly worker: string;
  readonly seenAt: number;
}

/** In the order of their names. */
export async function listKnownHosts(db: Queries, organization: string): Promise<KnownHost[]> {
  return db
    .selectFrom("known_host_keys")
    .select(["host", "key", "worker_id as worker", "seen_at as seenAt"])
    .where("organization_id", "=", organization)
    .orderBy("host")
    .execute();
}

/** Adds hosts that are not known yet. The first key of a host stays until it is removed. */
export async function insertKnownHosts(
  db: Queries,
  organization: OrganizationId,
  hosts: readonly { host: string; key: string }[],
  seen: { worker: WorkerId; now: number },
): Promise<void> {
  for (const { host, key } of hosts) {
    await db
      .insertInto("known_host_keys")
      .values({
        organization_id: organization,
        host,
        key,
        worker_id: seen.worker,
        seen_at: seen.now,
      })
      .onConflict((conflict) => conflict.columns(["organization_id", "host"]).doNothing())
      .execute();
  }
}

/** False when the host was not known. */
export async function deleteKnownHost(
  db: Queries,
  organization: string,
  host: string,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom("known_host_keys")
    .where("organization_id", "=", organization)
    .where("host", "=", host)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
