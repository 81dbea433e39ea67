import { parseRepository, RepositoryError, type RepositoryAddress } from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";

/** Checks the address of a Git repository by the rules of those who will fetch it. Local files are refused: they would be the worker's. Throws BadRequestError. */
export function checkRepository(repository: string): void {
  if (readRepository(repository).transport !== "file") return;
  throw new BadRequestError(
    `repository ${JSON.stringify(repository)} cannot be fetched: files of a worker are not offered to users`,
  );
}

function readRepository(repository: string): RepositoryAddress {
  try {
    return parseRepository(repository);
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    throw new BadRequestError(error.message, { cause: error });
  }
}
