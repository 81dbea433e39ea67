import {
  kindOfDifference,
  type CuirassEvaluation,
  type DifferenceKind,
  type JobDifference,
} from "../db/cuirass-evaluation-view.ts";
import type { PageServices } from "./page-services.ts";
import type { ViewOf } from "./shown.ts";

type View = NonNullable<ViewOf<"evaluation">["difference"]>;

const KINDS = ["broken", "fixed", "new", "gone"] as const;
/** Of each kind. */
const MAX_SHOWN = 50;

/** What is different from the evaluation before; null for the first one. */
export function differenceOf(
  { cuirassEvaluations }: PageServices,
  evaluation: CuirassEvaluation,
  previous: CuirassEvaluation | null,
): View | null {
  if (previous === null) return null;
  const byKind = new Map<DifferenceKind, JobDifference[]>();
  for (const each of cuirassEvaluations.evaluationDifference(evaluation.number, previous.number)) {
    const kind = kindOfDifference(each);
    const others = byKind.get(kind);
    if (others === undefined) byKind.set(kind, [each]);
    else others.push(each);
  }
  const groups = KINDS.map((what) => {
    const all = byKind.get(what) ?? [];
    const jobs = all.slice(0, MAX_SHOWN).flatMap(({ name, now, before }) => {
      const side = now ?? before;
      return side === null ? [] : [{ job: name, build: side.build }];
    });
    return { what, count: all.length, jobs };
  });
  return { previous: previous.number, groups };
}
