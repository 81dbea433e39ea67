import { NoResultError } from "kysely";
import { errnoOf } from "../error-facts.ts";

/**
 * Whether a statement failed because a row is there no more that was looked at before, outside of its transaction: a parent of what is
 * inserted, or the one row that is asked for.
 */
export function isRemovedMeanwhile(error: unknown): boolean {
  return error instanceof NoResultError || errnoOf(error) === "SQLITE_CONSTRAINT_FOREIGNKEY";
}
