import type { Command } from "@commander-js/extra-typings";
import { systemClock } from "../clock.ts";
import { readSecretFile } from "../config/secret-file.ts";
import { noticedChanges } from "../notices/noticed-changes.ts";
import { registerWorker } from "../organizations/register-worker.ts";
import { openExisting, organizationNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `worker register`: prints the line of the worker's peers file when it makes the token, once. */
export function addWorkerRegister(worker: Command, surroundings: Surroundings): void {
  const command = worker
    .command("register")
    .description("let a worker build for an organization; prints the line for its peers file")
    .requiredOption("--organization <name>", "that it builds for")
    .requiredOption("--worker-id <id>", "as `gradient-worker id` prints it")
    .option("--display-name <text>", "name for people", "worker")
    .option("--token-file <file>", "file with a token (openssl rand -base64 48), if it has one")
    .action(async (flags) => {
      const given = flags.tokenFile === undefined ? null : await readSecretFile(flags.tokenFile);
      await using database = await openExisting(flags, surroundings);
      const { id } = await organizationNamed(database.kysely, flags.organization);
      const made = await database.transaction(({ kysely: db }) =>
        registerWorker(
          { db, workers: noticedChanges(db) },
          {
            organizationId: id,
            createdBy: null,
            workerId: flags.workerId,
            displayName: flags.displayName,
            url: null,
            token: given,
            enableFetch: true,
            enableEval: true,
            enableBuild: true,
          },
          systemClock.now(),
        ),
      );
      surroundings.writeOut(made === null ? `${id}\n` : `${id}:${made}\n`);
    });
  addSettings(command, ["dataDir"]);
}
