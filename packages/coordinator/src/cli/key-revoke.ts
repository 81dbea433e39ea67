import type { Command } from "@commander-js/extra-typings";
import { revokeApiKey } from "../accounts/change-api-key.ts";
import { systemClock } from "../clock.ts";
import { findApiKey } from "../db/api-key-repository.ts";
import { NotFoundError } from "../errors.ts";
import { openExisting, operator, userNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `key revoke`: also one that a state file declares. */
export function addKeyRevoke(key: Command, surroundings: Surroundings): void {
  const command = key
    .command("revoke")
    .description("keep an API key out at once and for ever")
    .requiredOption("--username <name>", "account that it belongs to")
    .requiredOption("--name <text>", "name of the key")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const user = await userNamed(database.kysely, flags.username);
      const found = await findApiKey(database.kysely, user.id, { name: flags.name });
      if (found === undefined) {
        throw new NotFoundError(`user "${flags.username}" has no API key named "${flags.name}"`);
      }
      const actor = { ...operator, userId: user.id };
      await revokeApiKey(database, { key: found, actor }, systemClock.now());
      surroundings.writeOut(`API key "${flags.name}" of "${flags.username}" is revoked\n`);
    });
  addSettings(command, ["dataDir"]);
}
