import { z } from "zod";

/**
 * Parameters are described here and read from the address itself (cuirass/query.ts): in Cuirass the last of equal names counts, a plus sign is one, and a part
 * without exactly one equals sign is none.
 */
const parameter = z.union([z.string(), z.array(z.string())]).optional();

export const nr = parameter.meta({ description: "How many at most; it has to be there." });
export const token = parameter.meta({ description: "API key, for who cannot send a header." });

/** Parameters that builds are chosen by. */
export const buildFilter = z.object({
  nr,
  jobset: parameter,
  job: parameter,
  system: parameter,
  evaluation: parameter,
  token,
});

export { parameter };

export const idParams = z.object({ id: z.string() });
