import { z } from "zod";
import type { ShownCache } from "../../../../db/cache-repository.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";

export const cacheSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    display_name: z.string(),
    description: z.string(),
    active: z.boolean(),
    priority: z.int(),
    local_priority: z.int().nullable(),
    public_key: z.string(),
    public: z.boolean(),
    created_by: z.uuid(),
    created_at: timestamp,
    managed: z.boolean(),
    max_storage_gb: z.int(),
  })
  .meta({ id: "Cache" });

/** With the bare public key, as the list shows it. */
export function toCache(row: ShownCache): z.infer<typeof cacheSchema> {
  return {
    id: row.id,
    name: row.name,
    display_name: row.display_name,
    description: row.description,
    active: row.active === 1,
    priority: row.priority,
    local_priority: row.local_priority,
    public_key: row.public_key,
    public: row.public === 1,
    created_by: row.created_by,
    created_at: toTimestamp(row.created_at),
    managed: row.managed === 1,
    max_storage_gb: row.max_storage_gb,
  };
}

export const cacheParams = z.object({ cache: z.string() });

/** Limits of a cache's numbers: positions in a client's list of caches, and gigabytes (0: no limit). */
export const priorityField = z.int().min(0).max(1_000_000);
export const storageField = z.int().max(1_000_000_000);
