import type { Command } from "@commander-js/extra-typings";
import { listAllWorkers } from "../db/administration-view.ts";
import { openExisting } from "./administration.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `worker list` */
export function addWorkerList(worker: Command, surroundings: Surroundings): void {
  const command = worker
    .command("list")
    .description("list registrations with keys, also those that wait for approval")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const workers = await listAllWorkers(database.kysely);
      const rows = workers.map((each) => ({
        worker_id: each.worker_id,
        display_name: each.display_name,
        organization: each.name,
        active: each.active === 1,
        managed: each.managed === 1,
        // 0: a key that was declared before it came.
        last_seen: timeOf(each.last_seen_at === 0 ? null : each.last_seen_at),
        public_key: each.public_key,
        pending_public_key: each.pending_public_key,
      }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}
