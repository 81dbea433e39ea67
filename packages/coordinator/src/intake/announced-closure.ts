import type { OrganizationId } from "@gradient/protocol";
import type { CachedPathReads } from "../db/cache-path-repository.ts";
import type { BuildReads } from "../db/build-reads.ts";
import type { Bell } from "../queue/bell.ts";
import { findClosure, type CachedClosure } from "./closure.ts";

/** Signatures take less than a second to come. A worker that asks for longer would give up its request. */
const MAX_WAIT_MS = 30_000;

export type FindClosure = (
  organization: OrganizationId,
  bases: readonly string[],
) => Promise<CachedClosure>;

/**
 * Finds closures for builds that may have been given out while an input was still being signed: what is about to be shown is waited for.
 * Nothing is handed out before it is shown.
 */
export function announcedClosureFinder(options: {
  cachedPaths: CachedPathReads;
  builds: BuildReads;
  /** Rings when a build has ended. */
  moved: Bell;
}): FindClosure {
  const { cachedPaths, builds, moved } = options;
  return async (organization, bases) => {
    const deadline = performance.now() + MAX_WAIT_MS;
    for (;;) {
      const { rings } = moved;
      const closure = await findClosure(cachedPaths, organization, bases);
      const leftMs = deadline - performance.now();
      if (closure.missing.length === 0 || leftMs <= 0) return closure;
      const isComing = closure.missing.some((base) => builds.isOutputAnnounced(organization, base));
      if (isComing) await moved.next(leftMs);
      // What was shown while the closure was being walked is neither missing nor announced any more.
      else if (moved.rings === rings) return closure;
    }
  };
}
