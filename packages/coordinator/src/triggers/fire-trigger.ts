import type { Queries } from "../db/client.ts";
import { recordFired, type Trigger } from "../db/trigger-repository.ts";
import { BadRequestError } from "../errors.ts";
import type { Evaluations, Repositories, TriggerOutcome } from "../ports.ts";
import { findHead, type ProjectSource } from "../projects/find-head.ts";
import { configOf } from "./stored-config.ts";

/**
 * Fires a trigger as if what it waits for had happened to the newest commit. A commit that was evaluated already is evaluated again, as whoever
 * tries a trigger out wants to see it work. Throws BadRequestError for an inactive one, and what `findHead` throws.
 */
export async function fireTrigger(
  parts: { db: Queries; evaluations: Evaluations; repositories: Repositories },
  of: { project: ProjectSource & { id: string }; trigger: Trigger; triggeredBy: string },
  now: number,
): Promise<TriggerOutcome> {
  const { trigger, project, triggeredBy } = of;
  if (trigger.active === 0) throw new BadRequestError("the trigger is not active");
  const config = configOf(trigger);
  const branch = config.type === "polling" ? (config.branch ?? null) : null;
  const outcome = await parts.evaluations.startTriggered({
    projectId: project.id,
    trigger: { id: trigger.id, type: trigger.type },
    revision: await findHead(parts.repositories, project, branch),
    reference: branch === null ? null : `refs/heads/${branch}`,
    repeats: "allowed",
    triggeredBy,
  });
  if (outcome.outcome === "created") await recordFired(parts.db, trigger.id, now);
  return outcome;
}
