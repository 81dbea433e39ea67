import { z } from "zod";
import type { ListedNar } from "../../../../db/cache-nar-view.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";

export const listedNarSchema = z
  .object({
    hash: z.string(),
    store_path: z.string(),
    package: z.string(),
    nar_size: z.int().nullable(),
    file_size: z.int().nullable(),
    created_at: timestamp,
    last_fetched_at: timestamp.nullable(),
  })
  .meta({ id: "ListedNar" });

/** `store_path` is the base name, `package` what stands in it behind the hash. */
export function toListedNar(nar: ListedNar): z.infer<typeof listedNarSchema> {
  return {
    hash: nar.hash,
    store_path: nar.path,
    package: nar.path.slice(nar.hash.length + 1),
    nar_size: nar.narSize,
    file_size: nar.fileSize,
    created_at: toTimestamp(nar.createdAt),
    last_fetched_at: toTimestampOrNull(nar.lastFetchedAt),
  };
}
