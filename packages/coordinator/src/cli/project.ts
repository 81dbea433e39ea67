import type { Command } from "@commander-js/extra-typings";
import { notManaged } from "../auth/authority.ts";
import { listAllProjects } from "../db/administration-view.ts";
import { findProjectRow } from "../db/declared-repository.ts";
import { updateProject } from "../db/project-repository.ts";
import { NotFoundError } from "../errors.ts";
import { openExisting, organizationNamed } from "./administration.ts";
import { printRows } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project ...`: switching projects on and off. */
export function addProject(program: Command, surroundings: Surroundings): void {
  const project = program
    .command("project")
    .description("projects; these commands work while the coordinator runs, too");
  addList(project, surroundings);
  addSwitch(project, surroundings, true);
  addSwitch(project, surroundings, false);
}

function addList(project: Command, surroundings: Surroundings): void {
  const command = project
    .command("list")
    .description("list all projects")
    .option("--organization <name>", "of this organization only")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const projects = await listAllProjects(database.kysely);
      const rows = projects
        .filter((each) => [undefined, each.organization].includes(flags.organization))
        .map((each) => ({
          organization: each.organization,
          name: each.name,
          repository: each.repository,
          wildcard: each.wildcard,
          active: each.active === 1,
          managed: each.managed === 1,
        }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}

function addSwitch(project: Command, surroundings: Surroundings, isOn: boolean): void {
  const command = project
    .command(isOn ? "activate" : "deactivate")
    .description(
      isOn ? "let its triggers start evaluations again" : "start nothing for it any more",
    )
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const db = database.kysely;
      const { id } = await organizationNamed(db, flags.organization);
      const found = await findProjectRow(db, id, flags.project);
      const shown = `${flags.organization}/${flags.project}`;
      if (found === undefined) throw new NotFoundError(`project "${shown}" does not exist`);
      notManaged({ managed: found.managed, name: shown });
      await updateProject(db, found, { active: isOn ? 1 : 0 });
      surroundings.writeOut(`project "${shown}" is ${isOn ? "active" : "not active"}\n`);
    });
  addSettings(command, ["dataDir"]);
}
