import { CoordinatorError, NotFoundError } from "../errors.ts";
import type { MissingWords } from "./query.ts";

/** Refusals with Cuirass's texts and statuses, which clients know. */

/** A parameter that has to be there is missing, or is no number. Cuirass answers 500. */
export function parameterMissing(words: MissingWords): CoordinatorError {
  return new CoordinatorError(words, 500, "parameter_missing");
}

/** `nr` is more than the list's limit. Cuirass answers 500. */
export function limitExceeded(): CoordinatorError {
  return new CoordinatorError("Maximum limit exceeded", 500, "limit_exceeded");
}

/** 404, also for what the caller may not see; `id` as it was asked for. */
export function missingThing(
  kind: "Build" | "Output" | "Dashboard" | "Evaluation",
  id: string,
): NotFoundError {
  return new NotFoundError(`${kind} with ID ${id} doesn't exist.`);
}

/** Cuirass answers 500, in one wording for its page and another for its links. */
export function searchRefusal(
  words:
    | "Query parameter not provided!"
    | "Query parameter not provided."
    | "No build found."
    | "Could not find the request build product.",
): CoordinatorError {
  return new CoordinatorError(words, 500, "search_failed");
}

const NO_PRODUCT = "Could not find the requested build product.";

/** 404, also for what the caller may not see. */
export function missingProduct(): NotFoundError {
  return new NotFoundError(NO_PRODUCT);
}

/** Its number is known, and its bytes are gone. */
export function vanishedProduct(cause: unknown): CoordinatorError {
  return new CoordinatorError(NO_PRODUCT, 500, "product_vanished", cause);
}

/** 404, also for what the caller may not see. */
export function missingJobset(): NotFoundError {
  return new NotFoundError("Jobset not found.");
}
