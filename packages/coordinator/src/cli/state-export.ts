import type { Command } from "@commander-js/extra-typings";
import { exportState } from "../state/export-state.ts";
import { openAccounts } from "./accounts-database.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `state export`: what `state apply` takes. */
export function addStateExport(state: Command, surroundings: Surroundings): void {
  const command = state
    .command("export")
    .description(
      "print the farm as a state file, without secrets in clear: passwords, tokens and keys are hashed, or sealed with the crypt secret",
    )
    .action(async (flags) => {
      await using database = await openAccounts(flags, surroundings);
      surroundings.writeOut(`${JSON.stringify(await exportState(database), null, 2)}\n`);
    });
  addSettings(command, ["dataDir"]);
}
