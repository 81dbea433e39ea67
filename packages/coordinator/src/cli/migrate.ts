import type { Command } from "@commander-js/extra-typings";
import { ensureDataDir, openFarmDatabase } from "../data-dir.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `migrate`: brings the database up to date, as `serve` does at its start. */
export function addMigrate(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("migrate")
    .description("bring the database up to date")
    .action(async (flags) => {
      const { dataDir } = configOf(flags, surroundings.env);
      await ensureDataDir(dataDir);
      await using _database = await openFarmDatabase(dataDir);
      surroundings.writeOut(`The database in ${dataDir} is up to date\n`);
    });
  addSettings(command, ["dataDir"]);
}
