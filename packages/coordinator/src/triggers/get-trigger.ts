import type { Queries } from "../db/client.ts";
import { findTrigger, type ShownTrigger } from "../db/trigger-repository.ts";
import { NotFoundError } from "../errors.ts";

/** The project's trigger. Throws NotFoundError. */
export async function getTrigger(
  db: Queries,
  project: { id: string; name: string },
  id: string,
): Promise<ShownTrigger> {
  const trigger = await findTrigger(db, project.id, id);
  if (trigger !== undefined) return trigger;
  throw new NotFoundError(`project "${project.name}" has no trigger ${id}`);
}
