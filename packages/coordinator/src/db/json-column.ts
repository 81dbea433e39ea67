import { z } from "zod";

/** Reads a `*_json` column. What this release wrote always fits; anything else is a damaged database. */
export function readJsonColumn<T>(schema: z.ZodType<T>, text: string): T {
  return schema.parse(JSON.parse(text));
}

export const stringListSchema = z.array(z.string());

/** SQL for an object as JSON; `members` are SQL for its values, by their names. */
export function jsonObject(members: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(members).map(([name, value]) => `'${name}', ${value}`);
  return `json_object(${pairs.join(", ")})`;
}
