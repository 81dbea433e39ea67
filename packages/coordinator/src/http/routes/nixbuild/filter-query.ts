import { z } from "zod";

/** A parameter may come several times; what its text means is found out behind the schema, as it comes unescaped, too. */
export const parameter = z.union([z.string(), z.array(z.string())]).optional();

/** Parameters that builds are chosen by. */
export const filterQuery = z.object({
  tags: parameter.meta({ description: "NAME:VALUE, separated by commas; all have to match." }),
  create_time_from: parameter.meta({ description: "Date or time, ISO 8601." }),
  create_time_to: parameter.meta({ description: "Date or time, ISO 8601; not included." }),
  status: parameter.meta({ description: "Statuses, separated by commas." }),
});
