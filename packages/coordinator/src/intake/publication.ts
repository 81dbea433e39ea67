import { fingerprint, type OrganizationId, type WorkerId } from "@gradient/protocol";
import type { Queries } from "../db/client.ts";
import { findSigningKeys } from "../db/cache-key-repository.ts";
import {
  findInvisible,
  findWritableCaches,
  hashPartOf,
  insertCachedPaths,
  type CachedPath,
  type CachedPathReads,
  type NewCachedPath,
} from "../db/cache-path-repository.ts";
import { showPaths, type Visibility } from "../db/hidden-path-repository.ts";
import { countNars } from "../db/nar-object-repository.ts";
import { insertUnsignedPaths } from "../db/unsigned-path-repository.ts";
import { UnprocessableError } from "../errors.ts";
import { toPathFacts } from "./path-facts.ts";
import type { CacheSigner } from "../ports.ts";
import type { Change } from "../queue/change.ts";

/** Signed rows for each cache that an organization's work is published in. */
export interface Publication {
  readonly organization: OrganizationId;
  readonly caches: readonly string[];
  /** What each cache does not show yet. */
  readonly rows: ReadonlyMap<string, SignedRows>;
  /** Base names of the given paths: afterwards every cache shows all of them. */
  readonly given: readonly string[];
  /** Base names of the given paths that appear in a cache with no signature but the cache's. */
  readonly unsigned: readonly string[];
}

export interface SignedRows {
  readonly paths: readonly NewCachedPath[];
  /** Names the keys that have signed. */
  readonly keys: string;
}

export interface PublicationPlanner {
  /**
   * Prepares verified paths for being shown: signs them for each cache, and what they refer to as well where only another cache of the organization has it.
   * `paths` carry signatures of workers only. Throws UnprocessableError when a reference is in none of them.
   */
  plan(organization: OrganizationId, paths: readonly CachedPath[]): Promise<Publication>;
}

/** Plans read outside of a transaction, so that signing holds up nobody; what changed meanwhile is seen when the plan is carried out. */
export function publicationPlanner(options: {
  kysely: Queries;
  cachedPaths: CachedPathReads;
  signer: CacheSigner;
}): PublicationPlanner {
  const { kysely, cachedPaths, signer } = options;
  return {
    plan: async (organization, paths) => {
      const caches = await findWritableCaches(kysely, organization);
      if (caches.length === 0) {
        throw new UnprocessableError(
          "the organization has no active cache that it writes to: subscribe to one",
          {
            code: "no_cache",
          },
        );
      }
      const rows = new Map<string, SignedRows>();
      for (const cache of caches) {
        const missing = collectMissing(cachedPaths, organization, cache, paths);
        rows.set(cache, await signAll(signer, cache, missing));
      }
      const shown = new Set(
        [...rows.values()].flatMap((some) => some.paths.map(({ path }) => path)),
      );
      const unsigned = paths
        .filter(({ path, signatures }) => signatures.length === 0 && shown.has(path))
        .map(({ path }) => path);
      return { organization, caches, rows, unsigned, given: paths.map(({ path }) => path) };
    },
  };
}

/** The paths that the cache does not show yet, and those of their closure. */
function collectMissing(
  cachedPaths: CachedPathReads,
  organization: OrganizationId,
  cache: string,
  paths: readonly CachedPath[],
): CachedPath[] {
  const missing = new Map<string, CachedPath>();
  const open: CachedPath[] = [];
  const given = new Map(paths.map((path) => [path.path, path]));
  const want = (base: string, wantedBy: string | null): void => {
    if (missing.has(base) || cachedPaths.inCache(cache, hashPartOf(base))?.path === base) return;
    const path = given.get(base) ?? pathForOthers(cachedPaths, organization, base);
    if (path?.path !== base) throw missingReference(base, wantedBy);
    missing.set(base, path);
    open.push(path);
  };
  for (const { path } of paths) want(path, null);
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    for (const reference of top.references) want(reference, top.path);
  }
  return [...missing.values()];
}

/** The path as one of the organization's caches shows it, without that cache's own signature: it says nothing to readers of others, and names it. */
export function pathForOthers(
  cachedPaths: CachedPathReads,
  organization: OrganizationId,
  base: string,
): CachedPath | null {
  const found = cachedPaths.ofOrganization(organization, hashPartOf(base));
  if (found === null) return null;
  const { cacheKeyNames, ...path } = found;
  const signatures = path.signatures.filter(
    (each) => !cacheKeyNames.some((name) => each.startsWith(`${name}:`)),
  );
  return { ...path, signatures };
}

function missingReference(base: string, wantedBy: string | null): UnprocessableError {
  const user = wantedBy === null ? "" : `, which /nix/store/${wantedBy} refers to,`;
  return new UnprocessableError(
    `/nix/store/${base}${user} is in no cache of the organization: upload it first`,
    {
      code: "missing_reference",
    },
  );
}

async function signAll(
  signer: CacheSigner,
  cache: string,
  paths: readonly CachedPath[],
): Promise<SignedRows> {
  const keys = new Set<string>();
  const signed: NewCachedPath[] = [];
  for (const path of paths) {
    const own = await signer.sign(cache, fingerprintOf(path));
    keys.add(own.keys);
    const { narSize: _, ...row } = path;
    signed.push({ ...row, signatures: [...own.signatures, ...path.signatures] });
  }
  // Of two sets none is the current one.
  return { paths: signed, keys: [...keys].join(" then ") };
}

function fingerprintOf(path: CachedPath): string {
  return fingerprint(toPathFacts(path));
}

/**
 * Shows the paths, or holds them hidden where they are new. False, and nothing is shown, when the facts that the publication was made from have changed: make it anew.
 * `signer` has the paths in its store and is asked for the signatures that they lack; null when nobody is to sign them.
 */
export async function applyPublication(
  change: Change,
  publication: Publication,
  signer: WorkerId | null,
  visibility: Visibility,
): Promise<boolean> {
  const { kysely, now, news } = change;
  const { organization, unsigned } = publication;
  const caches = await findWritableCaches(kysely, organization);
  if (caches.join() !== publication.caches.join()) return false;
  for (const [cache, { paths, keys }] of publication.rows) {
    const bases = new Set(paths.map(({ path }) => path));
    const relied = [...publication.given, ...paths.flatMap(({ references }) => references)];
    const outside = relied.filter((base) => !bases.has(base));
    if ((await findInvisible(kysely, cache, outside)).length > 0) return false;
    if (paths.length === 0) continue;
    if ((await findSigningKeys(kysely, cache)) !== keys) return false;
    const hashes = paths.map(({ narHash }) => narHash);
    if ((await countNars(kysely, hashes)) < new Set(hashes).size) return false;
  }
  for (const [cache, { paths }] of publication.rows) {
    await insertCachedPaths(kysely, cache, paths, now, visibility);
    if (visibility === "hidden") continue;
    const references = paths.flatMap((path) => path.references);
    await showPaths(kysely, cache, new Set([...publication.given, ...references]));
  }
  if (signer !== null && unsigned.length > 0) {
    await insertUnsignedPaths(kysely, organization, signer, unsigned, now);
    news.signing.add(signer);
  }
  return true;
}
