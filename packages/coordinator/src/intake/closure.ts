import type { OrganizationId } from "@gradient/protocol";
import { hashPartOf, type CachedPath, type CachedPathReads } from "../db/cache-path-repository.ts";
import { Turns } from "./turns.ts";

/** What caches have of a closure. */
export interface CachedClosure {
  /** References before what refers to them. */
  readonly paths: readonly CachedPath[];
  /** Base names that no cache of the organization has. */
  readonly missing: readonly string[];
}

/** Everything that the base names refer to, transitively, themselves included, as far as the organization's caches have it. */
export async function findClosure(
  cachedPaths: CachedPathReads,
  organization: OrganizationId,
  bases: Iterable<string>,
): Promise<CachedClosure> {
  const paths: CachedPath[] = [];
  const missing: string[] = [];
  const seen = new Set<string>();
  const open: { path: CachedPath; next: number }[] = [];
  const turns = new Turns();
  const enter = (base: string): void => {
    if (seen.has(base)) return;
    seen.add(base);
    const path = cachedPaths.ofOrganization(organization, hashPartOf(base));
    if (path?.path === base) open.push({ path, next: 0 });
    else missing.push(base);
  };
  for (const base of bases) {
    enter(base);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const reference = top.path.references[top.next++];
      if (reference !== undefined) {
        enter(reference);
      } else {
        paths.push(top.path);
        open.pop();
      }
    }
    await turns.giveWay();
  }
  return { paths, missing };
}
