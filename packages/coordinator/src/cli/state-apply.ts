import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../clock.ts";
import { ensureDataDir, openFarmDatabase, tryLockDataDir } from "../data-dir.ts";
import { applyState, previewState } from "../state/apply-state.ts";
import { describeChange } from "../state/apply/applying.ts";
import { loadState } from "../state/load-state.ts";
import { openMasterKey, serveUrlOf } from "./farm-keys.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `state apply`: as the coordinator does it at its start with --state-file. */
export function addStateApply(state: Command, surroundings: Surroundings): void {
  const command = state
    .command("apply")
    .description("make the farm what a state file declares; works while the coordinator runs, too")
    .argument("<file>", "JSON file with the state")
    .option("--dry-run", "only tell what would change", false)
    .option("--json", "as JSON", false)
    .action(async (file, flags) => {
      const config = configOf(flags, surroundings.env);
      const now = systemClock.now();
      const { declared, secrets } = await loadState(file, now);
      await ensureDataDir(config.dataDir);
      using lock = tryLockDataDir(config.dataDir);
      await using database = await openFarmDatabase(config.dataDir);
      const parts = {
        database,
        masterKey: await openMasterKey(config),
        serveUrl: serveUrlOf(config),
        mostKept: config.keepEvaluations,
        removesLeft: config.deleteState,
        isServed: lock === null,
        now,
      };
      const run = flags.dryRun ? previewState : applyState;
      const changes = await run(parts, declared, secrets);
      if (flags.json) surroundings.writeOut(`${JSON.stringify({ changes }, null, 2)}\n`);
      else if (changes.length === 0) surroundings.writeOut("nothing changes\n");
      else for (const change of changes) surroundings.writeOut(`${describeChange(change)}\n`);
    });
  addSettings(command, [
    "dataDir",
    "deleteState",
    "cryptSecretFile",
    "jwtSecretFile",
    "serveUrl",
    "listen",
    "keepEvaluations",
  ]);
}
