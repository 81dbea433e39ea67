import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../clock.ts";
import { queueEvaluation } from "../evaluations/queue-evaluation.ts";
import { openExisting, projectNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project evaluate`: prints the evaluation's id. It is given out by the coordinator, as soon as one runs. */
export function addProjectEvaluate(project: Command, surroundings: Surroundings): void {
  const command = project
    .command("evaluate")
    .description("start an evaluation of the newest commit, also of one that was evaluated before")
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const found = await projectNamed(database.kysely, flags);
      const id = await queueEvaluation(database, systemClock, found.project.id);
      surroundings.writeOut(`${id}\n`);
    });
  addSettings(command, ["dataDir"]);
}
