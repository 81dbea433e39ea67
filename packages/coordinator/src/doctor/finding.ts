/** What one look has found. */
export interface Finding {
  readonly area: string;
  readonly level: "ok" | "warning" | "failure";
  /** What there is. */
  readonly what: string;
  /** What to do about it; null when there is nothing to do. */
  readonly remedy: string | null;
}

/** Nothing is to be done. */
export function good(area: string, what: string): Finding {
  return { area, level: "ok", what, remedy: null };
}

/** It works, and will not for long, or not as meant. The exit code stays 0. */
export function warning(area: string, what: string, remedy: string): Finding {
  return { area, level: "warning", what, remedy };
}

/** It does not work, or data is in danger. The exit code becomes 1. */
export function failure(area: string, what: string, remedy: string): Finding {
  return { area, level: "failure", what, remedy };
}

/** The text of an error, with that of its cause where it does not quote it, in one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  const isQuoted = !(cause instanceof Error) || message.includes(cause.message);
  return (isQuoted ? message : `${message}: ${cause.message}`).replaceAll(/\s+/g, " ");
}
