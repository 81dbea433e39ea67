import { z } from "zod";

export const workerKeyParams = z.object({
  worker_id: z.string().transform((id) => id.toLowerCase()),
});

/** The key that was looked at: one that came meanwhile is not meant. */
export const workerKeyBody = z.object({ public_key: z.string().max(500) });
