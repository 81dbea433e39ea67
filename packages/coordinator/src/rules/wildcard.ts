import { parsePattern, PatternError } from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";

/** Checks a project's attribute pattern. Throws BadRequestError. */
export function checkWildcard(wildcard: string): void {
  try {
    parsePattern(wildcard);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new BadRequestError(
      `wildcard ${JSON.stringify(wildcard)} cannot be used: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}
