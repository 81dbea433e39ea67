import { z } from "zod";

/** Reads a `*_json` column. What this release wrote always fits; anything else is a damaged database. */
export function readJsonColumn<T>(schema: z.ZodType<T>, text: string): T {
  return schema.parse(JSON.parse(text));
}

export const stringListSchema = z.array(z.string());
