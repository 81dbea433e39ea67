/** The code of an error of the system or of a library, such as `ENOENT` or `ECONNRESET`; null for everything else that may be thrown. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** What an error says; of everything else that may be thrown, its text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The last one: SQLite keeps a small file beside a database that it opens. */
const FULL = new Set(["ENOSPC", "EDQUOT", "SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"]);

/** Whether something could not be written for want of room. */
export function isDiskFull(error: unknown): boolean {
  return FULL.has(errnoOf(error) ?? "");
}

/** Whether a file or directory was not there. */
export function isMissing(error: unknown): boolean {
  return errnoOf(error) === "ENOENT";
}
