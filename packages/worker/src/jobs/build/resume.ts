import type { AssignmentId } from "@gradient/protocol";
import type { JournalEntry } from "../../journal/entry.ts";
import type { LastingBuilder } from "../../ports.ts";

/** A build whose preparation takes the worker down each time is not tried for ever. */
const MAX_RESUMES = 3;

/** Name of an assignment's build at the builder, over restarts. */
export function nameOfBuild(assignment: AssignmentId): string {
  return `build-${assignment}`;
}

/**
 * Whether a new process can go on with what was accepted. A build that runs, or has ended, is taken up where it is; one that has
 * not begun begins. All other work is lost with the process that did it, and is done again as a whole.
 */
export async function mayResume(entry: JournalEntry, builder: LastingBuilder): Promise<boolean> {
  const { record, progress, log, directory } = entry;
  if (record.spec.kind !== "build") return false;
  if (await builder.has({ name: nameOfBuild(record.assignment), directory })) return true;
  return progress.phase === "preparing" && log.size === 0 && progress.resumes < MAX_RESUMES;
}
