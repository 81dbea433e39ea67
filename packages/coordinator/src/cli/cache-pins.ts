import type { Command } from "@commander-js/extra-typings";
import { addPin } from "../caches/pins.ts";
import { systemClock } from "../clock.ts";
import { deletePin, listPins } from "../db/cache-pin-repository.ts";
import { NotFoundError, UserError } from "../errors.ts";
import { cacheNamed, openExisting } from "./administration.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

const MOST_SHOWN = 1000;
const STORE = "/nix/store/";

/** `cache pin|pins|unpin`: what a cache keeps although nobody fetches it. */
export function addCachePins(cache: Command, surroundings: Surroundings): void {
  addPinCommand(cache, surroundings);
  addPins(cache, surroundings);
  addUnpin(cache, surroundings);
}

function addPinCommand(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("pin")
    .description("keep a path in a cache, with all that it refers to; prints the pin's id")
    .requiredOption("--cache <name>", "name of the cache")
    .requiredOption("--path <path>", "store path that it shows")
    .option("--until <time>", "such as 2030-01-01T00:00:00Z; for ever without it")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const found = await cacheNamed(database.kysely, flags.cache);
      const base = flags.path.startsWith(STORE) ? flags.path.slice(STORE.length) : flags.path;
      const pin = { what: { path: base }, until: untilOf(flags.until), createdBy: null };
      const id = await addPin(database, found, pin, systemClock.now());
      surroundings.writeOut(`${id}\n`);
    });
  addSettings(command, ["dataDir"]);
}

function addPins(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("pins")
    .description("list what a cache keeps")
    .requiredOption("--cache <name>", "name of the cache")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { id } = await cacheNamed(database.kysely, flags.cache);
      const pins = await listPins(database.kysely, id, { limit: MOST_SHOWN, offset: 0 });
      const rows = pins.map((pin) => ({
        id: pin.id,
        path: pin.path === null ? null : `${STORE}${pin.path}`,
        evaluation: pin.evaluationId,
        until: timeOf(pin.until),
      }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}

function addUnpin(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("unpin")
    .description("keep something no longer than others")
    .requiredOption("--cache <name>", "name of the cache")
    .requiredOption("--pin-id <id>", "id of `cache pins`")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { id: cacheId } = await cacheNamed(database.kysely, flags.cache);
      if (!(await deletePin(database.kysely, { cacheId, id: flags.pinId }))) {
        throw new NotFoundError(`cache "${flags.cache}" has no pin ${flags.pinId}`);
      }
      surroundings.writeOut(`pin ${flags.pinId} is gone\n`);
    });
  addSettings(command, ["dataDir"]);
}

function untilOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const time = Date.parse(text);
  if (Number.isFinite(time)) return time;
  throw new UserError(`--until: expected a time such as 2030-01-01T00:00:00Z (got "${text}")`);
}
