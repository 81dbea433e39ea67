import type { Command } from "@commander-js/extra-typings";
import { notManaged } from "../auth/authority.ts";
import { updateProject } from "../db/project-repository.ts";
import { openExisting, projectNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project deactivate` */
export function addProjectDeactivate(project: Command, surroundings: Surroundings): void {
  addSwitch(project.command("deactivate").description("start nothing for it any more"), {
    surroundings,
    isOn: false,
  });
}

/** `project activate` */
export function addProjectActivate(project: Command, surroundings: Surroundings): void {
  addSwitch(project.command("activate").description("let its triggers start evaluations again"), {
    surroundings,
    isOn: true,
  });
}

function addSwitch(
  command: Command,
  { surroundings, isOn }: { surroundings: Surroundings; isOn: boolean },
): void {
  command
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { project, shown } = await projectNamed(database.kysely, flags);
      notManaged({ managed: project.managed, name: shown });
      await updateProject(database.kysely, project, { active: isOn ? 1 : 0 });
      surroundings.writeOut(`project "${shown}" is ${isOn ? "active" : "not active"}\n`);
    });
  addSettings(command, ["dataDir"]);
}
