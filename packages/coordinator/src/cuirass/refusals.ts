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

export function missingProduct(): NotFoundError {
  return new NotFoundError(NO_PRODUCT);
}

/** Its number is known, and its bytes are gone. */
export function vanishedProduct(cause: unknown): CoordinatorError {
  return new CoordinatorError(NO_PRODUCT, 500, "product_vanished", cause);
}

export function missingJobset(): NotFoundError {
  return new NotFoundError("Jobset not found.");
}
