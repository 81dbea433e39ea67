import type { OrganizationId } from "@gradient/protocol";
import {
  deleteBackfill,
  findBackfill,
  newestDerivation,
  pathsOfDerivations,
  pathsOfSources,
  setBackfill,
  type Backfill,
} from "../db/backfill-repository.ts";
import { batchesOf } from "../db/batches.ts";
import { hashPartOf, type CachedPath, type CachedPathReads } from "../db/cache-path-repository.ts";
import type { Queries } from "../db/client.ts";
import { findHidden } from "../db/hidden-path-repository.ts";
import { UnprocessableError } from "../errors.ts";
import {
  applyPublication,
  pathForOthers,
  type Publication,
  type PublicationPlanner,
} from "../intake/publication.ts";
import type { ChangeFacts } from "../queue/change.ts";

/** Numbers of derivations that are looked at in one step, and paths that are signed in one. */
const STEP = 100;
const MAX_TRIES = 10;

export interface FillOptions {
  readonly kysely: Queries;
  readonly cachedPaths: CachedPathReads;
  readonly publications: PublicationPlanner;
  readonly changes: ChangeFacts;
}

/**
 * Shows in a cache what an organization had before it subscribed: its derivations, their outputs and sources as far as another cache of the organization
 * has them. One bounded step; how far it came is stored with what it did, so it goes on after a restart. False when no cache is to be filled.
 */
export async function fillCaches(options: FillOptions): Promise<boolean> {
  const { kysely, changes } = options;
  const backfill = await findBackfill(kysely);
  if (backfill === null) return false;
  const { organization, cache, lastDerivation } = backfill;
  const upTo = Math.min(lastDerivation + STEP, await newestDerivation(kysely));
  if (upTo > lastDerivation) {
    const range = { after: lastDerivation, upTo };
    await publishAll(options, backfill, await pathsOfDerivations(kysely, organization, range));
    await changes((change) => setBackfill(change.kysely, { ...backfill, lastDerivation: upTo }));
  } else {
    await publishAll(options, backfill, await pathsOfSources(kysely, organization));
    await deleteBackfill(kysely, { organizationId: organization, cacheId: cache });
  }
  return true;
}

async function publishAll(
  options: FillOptions,
  backfill: Backfill,
  bases: readonly string[],
): Promise<void> {
  for (const batch of batchesOf(bases, STEP)) {
    for (let tries = 1; !(await publish(options, backfill, batch)); tries += 1) {
      if (tries >= MAX_TRIES)
        throw new Error("the facts about paths change faster than they are read");
    }
  }
}

/** False when the facts have changed meanwhile. */
async function publish(
  options: FillOptions,
  { organization, cache }: Backfill,
  bases: readonly string[],
): Promise<boolean> {
  const { cachedPaths, changes } = options;
  const paths = bases.flatMap((base) => {
    if (cachedPaths.inCache(cache, hashPartOf(base)) !== null) return [];
    const path = pathForOthers(cachedPaths, organization, base);
    return path?.path === base ? [path] : [];
  });
  const hidden = await findHidden(options.kysely, organization, bases);
  for (const visibility of ["shown", "hidden"] as const) {
    const some = paths.filter(({ path }) => hidden.has(path) === (visibility === "hidden"));
    for (const publication of await plan(options.publications, organization, some)) {
      const isApplied = await changes((change) =>
        applyPublication(change, publication, null, visibility),
      );
      if (!isApplied) return false;
    }
  }
  return true;
}

/** Leaves out what refers to something that no cache of the organization has any more. */
async function plan(
  publications: PublicationPlanner,
  organization: OrganizationId,
  paths: readonly CachedPath[],
): Promise<Publication[]> {
  if (paths.length === 0) return [];
  try {
    return [await publications.plan(organization, paths)];
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    if (paths.length === 1) return [];
    const middle = Math.floor(paths.length / 2);
    return [
      ...(await plan(publications, organization, paths.slice(0, middle))),
      ...(await plan(publications, organization, paths.slice(middle))),
    ];
  }
}
