import { z } from "zod";

const flag = z.union([z.literal(0), z.literal(1)]);

export const productObject = z.object({
  id: z.int(),
  type: z.string(),
  path: z.string(),
  "file-size": z.int(),
});
export type ProductObject = z.infer<typeof productObject>;

/** Times are seconds since the epoch, 0 while it is not so far; clients read integers and nothing else. */
export const buildObject = z.object({
  id: z.int(),
  evaluation: z.int().meta({ description: "The one that registered it." }),
  jobset: z.string(),
  job: z.string(),
  timestamp: z.int().meta({ description: "Of its end, else of its creation." }),
  starttime: z.int(),
  stoptime: z.int(),
  derivation: z.string(),
  buildoutputs: z.record(z.string(), z.object({ path: z.string() })),
  system: z.string(),
  nixname: z.string(),
  buildstatus: z.int().min(-3).max(4),
  weather: z.int().min(-1).max(3),
  busy: flag,
  priority: z.int(),
  finished: flag,
  buildproducts: z.array(productObject),
});
export type BuildObject = z.infer<typeof buildObject>;
