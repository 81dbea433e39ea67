import { WorkerError } from "../../errors.ts";

const SCHEMES = new Set(["http:", "https:", "ssh:", "git:"]);
/** `user@host:path`, as scp has it. A second colon right after would be a remote helper (`ext::command`). */
const SCP_ADDRESS = /^(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)(?!\/\/)[^\s\p{Cc}]+$/u;

/**
 * Throws a WorkerError for an address that is not fetched over a network by Git's own protocols: paths and `file:` URLs would read this
 * machine's files, `ext::` runs commands, a leading dash is an option.
 */
export function checkRepository(repository: string): void {
  const fault = faultOfRepository(repository);
  if (fault === null) return;
  throw new WorkerError(
    "bad-repository",
    `repository ${JSON.stringify(withoutPassword(repository))} cannot be fetched: ${fault}; use https://, http://, ssh://, git:// or user@host:path`,
  );
}

function faultOfRepository(repository: string): string | null {
  if (repository.startsWith("-")) return "it looks like an option";
  if (/[\s\p{Cc}]/u.test(repository)) return "it contains white space or control characters";
  if (/^[A-Za-z0-9+.-]*::/.test(repository)) return "remote helpers are not allowed";
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*:)\/\//.exec(repository)?.[1]?.toLowerCase();
  if (scheme === "file:") return "files of the worker are not fetched";
  if (scheme !== undefined) return SCHEMES.has(scheme) ? null : `${scheme} is not supported`;
  if (/^file:/i.test(repository) || /^[./~]/.test(repository) || repository === "") {
    return "files of the worker are not fetched";
  }
  return SCP_ADDRESS.test(repository) ? null : "it is neither a URL nor user@host:path";
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

export function checkCommit(commit: string): void {
  if (/^[0-9a-f]{40}$/.test(commit)) return;
  throw new WorkerError(
    "bad-commit",
    `${JSON.stringify(commit)} is no commit: 40 hexadecimal digits are needed`,
  );
}

/** The text with passwords in URLs left out, for messages. */
export function withoutPassword(text: string): string {
  return text.replaceAll(/(:\/\/[^/\s:@]*):[^/\s@]*@/g, "$1:***@");
}
