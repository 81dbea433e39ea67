import type { Command } from "@commander-js/extra-typings";
import { mintApiKey } from "../accounts/mint-api-key.ts";
import { Authority } from "../auth/authority.ts";
import { systemClock } from "../clock.ts";
import { UserError } from "../errors.ts";
import { asUser, openExisting, operator, userNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `key create`: prints the secret, once. */
export function addKeyCreate(key: Command, surroundings: Surroundings): void {
  const command = key
    .command("create")
    .description("make an API key of an account and print it; it is kept as a hash only")
    .requiredOption("--username <name>", "account that it belongs to")
    .requiredOption("--name <text>", "name of the key")
    .requiredOption("--permissions <list>", "what it may do, such as viewOrg,triggerEvaluation")
    .option("--organization <name>", "pin it to an organization")
    .option("--cache <name>", "pin it to a cache; it then has permissions of caches")
    .option("--allowed-ips <list>", "addresses and ranges that it may come from")
    .option("--expires-in-days <number>", "when it ends by itself")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const db = database.kysely;
      const owner = asUser(await userNamed(db, flags.username));
      const request = {
        name: flags.name,
        permissions: listOf(flags.permissions),
        organization: flags.organization ?? null,
        cache: flags.cache ?? null,
        expiresInDays: daysOf(flags.expiresInDays),
        allowedIps: listOf(flags.allowedIps ?? ""),
        actor: { ...operator, userId: owner.user.id },
      };
      const parts = { database, authority: new Authority(db) };
      const secret = await mintApiKey(parts, owner, request, systemClock.now());
      surroundings.writeOut(`${secret}\n`);
    });
  addSettings(command, ["dataDir"]);
}

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function daysOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new UserError(`--expires-in-days: expected a number from 1 to 99999 (got "${text}")`);
}
