import { z } from "zod";
import { countUnswept, type ShownCacheKey } from "../../../../db/cache-key-repository.ts";
import type { Queries } from "../../../../db/client.ts";
import { nixPublicKey } from "../../../../keys/cache-key.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";

export const signingKeySchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    public_key: z.string().meta({ description: "As Nix's trusted-public-keys takes it." }),
    state: z.enum(["active", "retired", "removing"]).meta({
      description:
        "active: signs what the cache shows; retired: signs nothing more, what it has signed stays; removing: its signatures are being taken away.",
    }),
    unsigned_paths: z.int().nullable().meta({
      description: "Paths that still lack its signature; null for one that signs no more.",
    }),
    created_at: timestamp,
  })
  .meta({ id: "CacheKey" });

type SigningKey = z.infer<typeof signingKeySchema>;

/** Keys as they are shown, with how far the cache is signed with them. */
export async function toSigningKeys(
  db: Queries,
  cacheId: string,
  keys: readonly ShownCacheKey[],
): Promise<SigningKey[]> {
  const unswept = await countUnswept(db, cacheId);
  return keys.map((key) => show(key, unswept));
}

/** One key; toSigningKeys counts the unsigned paths of a cache once for all of them. */
export async function toSigningKey(db: Queries, key: ShownCacheKey): Promise<SigningKey> {
  return show(key, await countUnswept(db, key.cache_id));
}

function show(key: ShownCacheKey, unswept: number): SigningKey {
  const unsigned = key.is_complete === 1 ? 0 : unswept;
  return {
    id: key.id,
    name: key.key_name,
    public_key: nixPublicKey(key),
    state: key.state,
    unsigned_paths: key.state === "active" ? unsigned : null,
    created_at: toTimestamp(key.created_at),
  };
}

export const signingKeyParams = z.object({ cache: z.string(), key: z.uuid() });
