import { z } from "zod";

export const workerParams = z.object({
  org: z.string(),
  worker_id: z.string().transform((id) => id.toLowerCase()),
});
