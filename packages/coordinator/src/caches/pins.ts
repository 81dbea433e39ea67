import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/client.ts";
import { countPins, deleteEndedPins, fillsCache, insertPin } from "../db/cache-pin-repository.ts";
import { findInvisible, hashPartOf } from "../db/cache-path-repository.ts";
import { BadRequestError, NotFoundError } from "../errors.ts";

/** Each pinned evaluation is looked through by every garbage collection. */
const MAX_PINS = 1000;

/** What is to be kept: one path of the cache, or what an evaluation needs. */
export type Pinned =
  | { readonly path: string }
  | { readonly evaluation: { readonly id: string; readonly organizationId: string } };

/**
 * Keeps something in a cache with all that it refers to, until a time or for ever. Resolves to the pin's id. Throws NotFoundError for a path that the cache does not show,
 * BadRequestError for an evaluation that does not fill it, and for a time that has passed.
 */
export async function addPin(
  database: Database,
  cache: { readonly id: string; readonly name: string },
  pin: { readonly what: Pinned; readonly until: number | null; readonly createdBy: string | null },
  now: number,
): Promise<string> {
  const { what, until, createdBy } = pin;
  if (until !== null && until <= now) {
    throw new BadRequestError("until has to be in the future; leave it out to keep it for ever");
  }
  const id = uuidv7();
  await database.transaction(async ({ kysely }) => {
    await deleteEndedPins(kysely, cache.id, now);
    if ((await countPins(kysely, cache.id)) >= MAX_PINS) {
      throw new BadRequestError(
        `cache "${cache.name}" has ${MAX_PINS} pins, and cannot have more: remove some`,
      );
    }
    if ("path" in what) {
      if ((await findInvisible(kysely, cache.id, [what.path])).length > 0) {
        throw new NotFoundError(
          `cache "${cache.name}" has no path with hash ${hashPartOf(what.path)}`,
        );
      }
    } else if (!(await fillsCache(kysely, what.evaluation.organizationId, cache.id))) {
      throw new BadRequestError(
        `the organization of evaluation ${what.evaluation.id} does not publish in cache "${cache.name}"`,
      );
    }
    await insertPin(kysely, {
      id,
      cache_id: cache.id,
      path: "path" in what ? what.path : null,
      evaluation_id: "path" in what ? null : what.evaluation.id,
      until,
      created_by: createdBy,
      created_at: now,
    });
  });
  return id;
}
