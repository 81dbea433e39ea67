import { parseRepository, RepositoryError, type RepositoryAddress } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";

/** Reads an address. Throws a WorkerError, which is final, for one that is not fetched. */
export function readRepository(repository: string): RepositoryAddress {
  try {
    return parseRepository(repository);
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error;
    throw new WorkerError(error.code, error.message, { cause: error });
  }
}

/** The rules of git-check-ref-format, and no leading dash or plus. A reference goes into a refspec as it is. */
export function checkReference(reference: string): void {
  const isBad =
    reference === "" ||
    /^[-+/]|[/.]$|\.lock$|\.\.|\/\/|@\{|[\s\p{Cc}~^:?*[\\]/u.test(reference) ||
    reference.split("/").some((part) => part.startsWith("."));
  if (!isBad) return;
  throw new WorkerError(
    "bad-reference",
    `${JSON.stringify(reference)} is no name of a branch or tag`,
  );
}

/** Only a whole SHA-1: a short hash or a name could mean something else tomorrow. Throws a WorkerError, which is final. */
export function checkCommit(commit: string): void {
  if (/^[0-9a-f]{40}$/.test(commit)) return;
  throw new WorkerError(
    "bad-commit",
    `${JSON.stringify(commit)} is no commit: 40 hexadecimal digits are needed`,
  );
}
