import { AttributePathError, formatAttributePath, parseAttributePath } from "@gradient/protocol";
import { readJsonColumn, stringListSchema } from "../../../../db/json-column.ts";
import { BadRequestError } from "../../../../errors.ts";

/** An attribute path as people write it: `a."b.c".d`. */
export function attributeText(attributeJson: string): string {
  return formatAttributePath(readJsonColumn(stringListSchema, attributeJson));
}

/** The column's text of an attribute path that somebody wrote. Throws BadRequestError. */
export function attributeJson(text: string): string {
  try {
    return JSON.stringify(parseAttributePath(text));
  } catch (error) {
    if (!(error instanceof AttributePathError)) throw error;
    throw new BadRequestError(`"${text}" is no attribute path: ${error.message}`, { cause: error });
  }
}
