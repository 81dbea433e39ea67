import { z } from "zod";
import type { CachePin } from "../../../../db/cache-pin-repository.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";

export const pinSchema = z.object({
  id: z.uuid(),
  /** Without the store's folder; null for an evaluation. */
  path: z.string().nullable(),
  evaluation: z.uuid().nullable(),
  /** null for ever. */
  until: timestamp.nullable(),
  created_by: z.uuid().nullable(),
  created_at: timestamp,
});

/** Also of a pin whose time has come. */
export function toPin(pin: CachePin): z.infer<typeof pinSchema> {
  return {
    id: pin.id,
    path: pin.path,
    evaluation: pin.evaluationId,
    until: toTimestampOrNull(pin.until),
    created_by: pin.createdBy,
    created_at: toTimestamp(pin.createdAt),
  };
}
