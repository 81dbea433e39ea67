import type { Command } from "@commander-js/extra-typings";
import { notManaged } from "../auth/authority.ts";
import { systemClock } from "../clock.ts";
import { createProject } from "../projects/create-project.ts";
import { openExisting, organizationNamed, userNamed } from "./administration.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `project create`: prints the new project's id. */
export function addProjectCreate(project: Command, surroundings: Surroundings): void {
  const command = project
    .command("create")
    .description("make a project, which looks at its repository every five minutes")
    .requiredOption("--organization <name>", "that it belongs to")
    .requiredOption("--project <name>", "name of the project")
    .requiredOption("--repository <url>", "of Git, such as https://example.org/site.git")
    .requiredOption("--username <name>", "account that it is made for")
    .option("--display-name <text>", "name for people; else the name")
    .option("--wildcard <pattern>", "attributes that are built", "packages.x86_64-linux.*")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const organization = await organizationNamed(database.kysely, flags.organization);
      notManaged(organization);
      const creator = await userNamed(database.kysely, flags.username);
      const request = {
        organizationId: organization.id,
        createdBy: creator.id,
        name: flags.project,
        displayName: flags.displayName ?? flags.project,
        description: "",
        repository: flags.repository,
        wildcard: flags.wildcard,
        concurrency: "soft_abort",
        signsCache: true,
        keptEvaluations: configOf(flags, surroundings.env).keepEvaluations,
      } as const;
      const id = await createProject(database, request, systemClock.now());
      surroundings.writeOut(`${id}\n`);
    });
  addSettings(command, ["dataDir", "keepEvaluations"]);
}
