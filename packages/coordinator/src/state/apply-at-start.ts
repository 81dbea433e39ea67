import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import type { Database } from "../db/client.ts";
import type { MasterKey } from "../keys/master-key.ts";
import type { Logger } from "../logger.ts";
import { applyState } from "./apply-state.ts";
import { describeChange } from "./apply/applying.ts";
import { loadState } from "./load-state.ts";

/** Applies the configured state file, before anything else works on the database. Throws UserError, ConflictError. */
export async function applyStateAtStart(parts: {
  readonly config: Pick<Config, "deleteState" | "keepEvaluations">;
  readonly stateFile: string;
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly serveUrl: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<void> {
  const { config, stateFile, clock, logger, ...rest } = parts;
  const now = clock.now();
  const { declared, secrets } = await loadState(stateFile, now);
  const changes = await applyState(
    {
      ...rest,
      mostKept: config.keepEvaluations,
      removesLeft: config.deleteState,
      isServed: false,
      now,
    },
    declared,
    secrets,
  );
  logger.info({ file: stateFile, changes: changes.map(describeChange) }, "state file applied");
}
