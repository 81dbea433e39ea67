import type { Command } from "@commander-js/extra-typings";
import { listAllProjects } from "../db/administration-view.ts";
import { openExisting } from "./administration.ts";
import { printRows } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project list` */
export function addProjectList(project: Command, surroundings: Surroundings): void {
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
