import { findClosableEvaluations } from "../db/project-evaluations.ts";
import type { Queries } from "../db/client.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { Attendance } from "./attendance.ts";
import { cutEvaluation } from "./end-evaluation.ts";

/** As nixbuild.net says it. */
const SESSION_CLOSED = "session closed";

/** Ends evaluations whose builds go on only as long as somebody follows them, and that nobody has followed for `graceMs`. */
export async function endDeserted(
  options: { kysely: Queries; changes: ChangeFacts; attendance: Attendance; graceMs: number },
  now: number,
): Promise<void> {
  const { kysely, changes, attendance, graceMs } = options;
  const closable = await findClosableEvaluations(kysely);
  attendance.keepOnly(new Set(closable.map(({ id }) => id)));
  for (const evaluation of closable) {
    const since = attendance.desertedSince(evaluation);
    if (since === null || now - since < graceMs) continue;
    await changes((change) =>
      cutEvaluation(change, evaluation.id, "aborted", SESSION_CLOSED, "end", "deserted"),
    );
  }
}
