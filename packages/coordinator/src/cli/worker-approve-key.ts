import type { Command } from "@commander-js/extra-typings";
import { noticedChanges } from "../notices/noticed-changes.ts";
import { approveKey } from "../workers/approve-key.ts";
import { openExisting } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `worker approve-key`: the key is named, so that it cannot be another one than was looked at. */
export function addWorkerApproveKey(worker: Command, surroundings: Surroundings): void {
  const command = worker
    .command("approve-key")
    .description("let a worker in with the new key that it has shown")
    .requiredOption("--worker-id <id>", "of the worker")
    .requiredOption("--public-key <key>", "pending_public_key of `worker list`")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const workers = noticedChanges(database.kysely);
      await approveKey({ database, workers }, flags.workerId, flags.publicKey);
      surroundings.writeOut(`worker ${flags.workerId} is let in with ${flags.publicKey}\n`);
    });
  addSettings(command, ["dataDir"]);
}
