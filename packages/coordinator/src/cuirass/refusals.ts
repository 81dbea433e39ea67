import { CoordinatorError, NotFoundError } from "../errors.ts";
import type { MissingWords } from "./query.ts";

/** Refusals with Cuirass's texts and statuses, which clients know. */

export function parameterMissing(words: MissingWords): CoordinatorError {
  return new CoordinatorError(words, 500, "parameter_missing");
}

export function limitExceeded(): CoordinatorError {
  return new CoordinatorError("Maximum limit exceeded", 500, "limit_exceeded");
}

export function missingThing(
  kind: "Build" | "Output" | "Dashboard" | "Evaluation",
  id: string,
): NotFoundError {
  return new NotFoundError(`${kind} with ID ${id} doesn't exist.`);
}
