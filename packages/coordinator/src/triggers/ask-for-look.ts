import type { Database } from "../db/client.ts";
import { hastenHook, hastenPolling } from "../db/trigger-repository.ts";
import { DEFAULT_TRIGGER } from "./trigger-config.ts";

/**
 * Asks for a look at a project's repository now: by the triggers that poll it, or, where there is none, by one look at HEAD. However often it is asked for, a
 * commit is evaluated once. Durable when it resolves.
 */
export async function askForLook(
  database: Database,
  projectId: string,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    if (await hastenPolling(kysely, projectId, now)) return;
    const configJson = JSON.stringify(DEFAULT_TRIGGER);
    await hastenHook(kysely, { id: projectId, configJson }, now);
  });
}
