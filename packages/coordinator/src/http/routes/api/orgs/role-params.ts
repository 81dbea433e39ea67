import { z } from "zod";

export const roleParams = z.object({ org: z.string(), role: z.guid() });
