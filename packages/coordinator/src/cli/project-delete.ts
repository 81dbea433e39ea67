import type { Command } from "@commander-js/extra-typings";
import { notManaged } from "../auth/authority.ts";
import { systemClock } from "../clock.ts";
import { isServed } from "../data-dir.ts";
import { ConflictError } from "../errors.ts";
import { removeProject } from "../projects/delete-project.ts";
import { openExisting, operator, projectNamed } from "./administration.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project delete`: what runs is the coordinator's, which alone can end it. */
export function addProjectDelete(project: Command, surroundings: Surroundings): void {
  const command = project
    .command("delete")
    .description("remove a project with its evaluations; what caches show of it stays")
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const found = await projectNamed(database.kysely, flags);
      notManaged({ managed: found.project.managed, name: found.shown });
      const isRunning = isServed(configOf(flags, surroundings.env).dataDir);
      const abort = (evaluation: string): Promise<void> =>
        isRunning ? Promise.reject(stillActive(found.shown, evaluation)) : Promise.resolve();
      await removeProject(
        { database, evaluations: { abort } },
        found.project,
        { actor: operator, subject: found.shown },
        systemClock.now(),
      );
      surroundings.writeOut(`project "${found.shown}" is deleted\n`);
    });
  addSettings(command, ["dataDir"]);
}

function stillActive(shown: string, evaluation: string): ConflictError {
  return new ConflictError(
    `project "${shown}" has the active evaluation ${evaluation}: abort it or wait for it, and deactivate the project so that no other one starts`,
  );
}
