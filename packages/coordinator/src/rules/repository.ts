import { BadRequestError } from "../errors.ts";

/** Checks the URL or scp-style address of a Git repository. Throws BadRequestError. Local files are refused: they would be the worker's. */
export function checkRepository(repository: string): void {
  const fault = repositoryFault(repository);
  if (fault === null) return;
  throw new BadRequestError(`repository ${JSON.stringify(repository)} cannot be used: ${fault}`);
}

function repositoryFault(repository: string): string | null {
  if (repository.trim() === "") return "it is empty";
  if (/[\s\p{Cc}]/u.test(repository)) return "it contains white space";
  if (repository.startsWith("-")) return "it starts with a dash";
  if (repository.startsWith("file") || repository.includes("file://")) {
    return "files on the worker cannot be fetched";
  }
  if (!/:\/\/|@|:/.test(repository)) return "it is neither a URL nor user@host:path";
  return null;
}

/** Whether Git reaches the repository through ssh: only then does the organization's key have to travel. */
export function usesSsh(repository: string): boolean {
  return /^(git\+)?ssh:\/\//.test(repository) || !repository.includes("://");
}
