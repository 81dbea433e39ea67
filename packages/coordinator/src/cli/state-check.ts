import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../clock.ts";
import { refusal } from "../state/load-state.ts";
import { readStateFile } from "../state/read-state-file.ts";
import type { Surroundings } from "./surroundings.ts";

/** `state check`: needs neither a data directory nor the files with secrets, so that it can run while a system is built. */
export function addStateCheck(state: Command, surroundings: Surroundings): void {
  state
    .command("check")
    .description("tell everything that is wrong in a state file; no data directory is needed")
    .argument("<file>", "JSON file with the state")
    .option("--json", "as JSON", false)
    .action(async (file, flags) => {
      const checked = await readStateFile(file, systemClock.now());
      const problems = "problems" in checked ? checked.problems : [];
      if (flags.json) surroundings.writeOut(`${JSON.stringify({ problems }, null, 2)}\n`);
      if (problems.length > 0) throw refusal(file, problems);
      if (!flags.json) surroundings.writeOut(`${file} is good\n`);
    });
}
