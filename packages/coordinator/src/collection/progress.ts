import { z } from "zod";

/** How many paths a report names. */
const MAX_NAMED_PATHS = 1000;

/** How far a task is, and in the end its report. Bytes are those of compressed files. */
export const progressSchema = z.object({
  /** What is done now, for people. */
  phase: z.string(),
  cachesTotal: z.int(),
  cachesDone: z.int(),
  /** Paths that were taken out of caches; with a dry run those that would be. */
  paths: z.int(),
  /** What these paths counted in their caches. */
  pathBytes: z.int(),
  /** Files that were removed because no cache shows them any more, and what lay beside paths that have gone. */
  files: z.int(),
  fileBytes: z.int(),
  /** Objects that were read again. */
  checkedFiles: z.int(),
  checkedBytes: z.int(),
  /** What is wrong with them. */
  problems: z.int(),
  /** Of those, what workers have brought back; without repair those that they could. Tasks of earlier releases have no count. */
  repaired: z.int().default(0),
  /** The first of the paths, or of what is wrong. */
  named: z.array(z.string()),
});

export type Progress = z.infer<typeof progressSchema>;

/** What a task has to tell before it begins. */
export function noProgress(): Progress {
  return {
    phase: "queued",
    cachesTotal: 0,
    cachesDone: 0,
    paths: 0,
    pathBytes: 0,
    files: 0,
    fileBytes: 0,
    checkedFiles: 0,
    checkedBytes: 0,
    problems: 0,
    repaired: 0,
    named: [],
  };
}

/** Adds to the report as long as there is room; what comes later is only counted. */
export function name(progress: Progress, texts: readonly string[]): void {
  progress.named.push(...texts.slice(0, MAX_NAMED_PATHS - progress.named.length));
}
