import type { Command } from "@commander-js/extra-typings";
import { listProjectEvaluations } from "../db/evaluation-view.ts";
import { listTriggers } from "../db/trigger-repository.ts";
import { openExisting, projectNamed } from "./administration.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

const SHOWN_EVALUATIONS = 10;

/** `project show` */
export function addProjectShow(project: Command, surroundings: Surroundings): void {
  const command = project
    .command("show")
    .description("show what starts evaluations of a project, and its last ones")
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { kysely } = database;
      const { id } = (await projectNamed(kysely, flags)).project;
      const triggers = (await listTriggers(kysely, id)).map((each) => ({
        trigger: each.type,
        active: each.active === 1,
        last_look: timeOf(each.checked_at),
        next_look: timeOf(each.due_at),
        error: each.error,
      }));
      const last = await listProjectEvaluations(kysely, id, SHOWN_EVALUATIONS);
      const evaluations = last.map((each) => ({
        evaluation: each.id,
        commit: each.commit_hash ?? each.revision,
        state: each.state,
        started: timeOf(each.created_at),
        finished: timeOf(each.finished_at),
      }));
      if (flags.json) {
        surroundings.writeOut(`${JSON.stringify({ triggers, evaluations }, null, 2)}\n`);
        return;
      }
      printRows(surroundings, triggers, flags);
      surroundings.writeOut("\n");
      printRows(surroundings, evaluations, flags);
    });
  addSettings(command, ["dataDir"]);
}
