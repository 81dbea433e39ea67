import { hashPartOf, prepareCachedPathReads } from "../db/cache-path-repository.ts";
import type { Database } from "../db/client.ts";
import { prepareFindNarObject } from "../db/nar-object-repository.ts";
import { prepareHasUploaded } from "../db/nar-possession-repository.ts";
import type { Clock } from "../clock.ts";
import { NarIntake } from "../intake/nar-intake.ts";
import { publicationPlanner } from "../intake/publication.ts";
import type { CacheSigner, Sources } from "../ports.ts";
import { changesOf } from "../queue/change.ts";
import { StoredSources } from "../sources/stored-sources.ts";
import type { NarStorage } from "../storage/nar-storage.ts";

/** Sources as a farm stores them, and evaluations that nobody takes up. */
export function sourcesWithoutFarm(options: {
  database: Database;
  files: NarStorage;
  signer: CacheSigner;
  clock: Clock;
}): Sources {
  const { database, files, signer, clock } = options;
  const cachedPaths = prepareCachedPathReads(database);
  const possesses = prepareHasUploaded(database);
  const findNarObject = prepareFindNarObject(database);
  const changes = changesOf({
    database,
    clock,
    settle: () => Promise.resolve(),
    tell: () => undefined,
  });
  return new StoredSources({
    nars: new NarIntake({ database, files, findNarObject, possesses, clock }),
    publications: publicationPlanner({ kysely: database.kysely, cachedPaths, signer }),
    changes: changes.durable,
    isVisible: (organization, base) =>
      cachedPaths.ofOrganization(organization, hashPartOf(base))?.path === base,
    review: () => Promise.resolve(),
  });
}
