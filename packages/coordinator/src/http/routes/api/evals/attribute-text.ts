import { formatAttributePath } from "@gradient/protocol";
import { readJsonColumn, stringListSchema } from "../../../../db/json-column.ts";

/** An attribute path as people write it: `a."b.c".d`. */
export function attributeText(attributeJson: string): string {
  return formatAttributePath(readJsonColumn(stringListSchema, attributeJson));
}
