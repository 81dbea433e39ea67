import { z } from "zod";

export const roleParams = z.object({ cache: z.string(), role: z.guid() });
