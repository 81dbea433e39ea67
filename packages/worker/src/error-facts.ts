/** Facts of a thrown value, which may be anything. */

/** Its code when it is an error with one: `ENOENT`, `ECONNREFUSED`, our own codes. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/** Words of the system, of Nix and of its database for a file system without room. */
export const NO_ROOM = /no space left on device|disk quota exceeded|database or disk is full/i;

/** As OpenSSL has it: `error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:`. */
const TLS_FAILURE = /error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):/;

/** Its message. Some network errors carry none but their code, or hide them in a cause or a list; of those of TLS only one word in ten is for people. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const tls = TLS_FAILURE.exec(error.message)?.[1];
  if (tls !== undefined) return `TLS failed: ${tls}`;
  if (error.message !== "" && error.message !== "fetch failed") return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error.cause !== undefined) return reasonOf(error.cause);
  return errnoOf(error) ?? error.name;
}
