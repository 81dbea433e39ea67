import type { Logs } from "../../../../ports.ts";

/** The text of an attempt's log as far as it is stored; none without an attempt. */
export async function* logTexts(
  logs: Logs,
  attempt: number | null,
): AsyncGenerator<string, void, undefined> {
  if (attempt !== null) yield* logs.text(attempt);
}
