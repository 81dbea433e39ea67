import type { Command } from "@commander-js/extra-typings";
import { deleteRegistration, findRegistration } from "../db/registration-repository.ts";
import { ForbiddenError, NotFoundError } from "../errors.ts";
import { noticedChanges } from "../notices/noticed-changes.ts";
import { openExisting, organizationNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `worker remove` */
export function addWorkerRemove(worker: Command, surroundings: Surroundings): void {
  const command = worker
    .command("remove")
    .description("take a worker's registration away; what it builds for the organization ends")
    .requiredOption("--organization <name>", "that it builds for")
    .requiredOption("--worker-id <id>", "of the worker")
    .action(async (flags) => {
      const { organization, workerId } = flags;
      await using database = await openExisting(flags, surroundings);
      const { id: organizationId } = await organizationNamed(database.kysely, organization);
      await database.transaction(async ({ kysely: db }) => {
        const found = await findRegistration(db, { organizationId, workerId });
        if (found === undefined) {
          throw new NotFoundError(`worker ${workerId} is not registered for "${organization}"`);
        }
        if (found.managed === 1) {
          throw new ForbiddenError(
            `worker ${workerId} is declared by a state file, which would bring it back: remove it there`,
          );
        }
        await deleteRegistration(db, { organizationId, workerId });
        await noticedChanges(db).registrationsChanged(workerId);
      });
      surroundings.writeOut(`worker ${workerId} builds for "${organization}" no more\n`);
    });
  addSettings(command, ["dataDir"]);
}
