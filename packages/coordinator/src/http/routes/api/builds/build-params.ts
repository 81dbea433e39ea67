import { z } from "zod";

/** `id` is that of the evaluation build: one build as one evaluation sees it. */
export const buildParams = z.object({ id: z.uuid() });
