import { z } from "zod";

export const evaluationParams = z.object({ id: z.uuid() });
