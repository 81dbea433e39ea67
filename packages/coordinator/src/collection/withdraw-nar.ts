import { setImmediate as nextTurn } from "node:timers/promises";
import type { CheckView, ShownPath } from "../db/check-view.ts";
import { deleteUnreferredPaths } from "../db/collection-repository.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { Progress } from "./progress.ts";

const STEP = 32;
const MAX_TRIES = 10;

/**
 * Takes a NAR whose bytes are lost out of every cache. The file is out of the way at once, so nobody is sent it; then what refers to its paths goes, and then they. What another
 * organization or an upload had of it is forgotten, so that it is taken when it is sent again.
 */
export async function withdrawNar(
  options: {
    view: CheckView;
    intake: NarIntake;
    progress: Progress;
    signal: AbortSignal;
  },
  narHash: string,
): Promise<void> {
  const { view, intake, progress, signal } = options;
  await intake.removals.withhold(narHash);
  for (let tries = 1; ; tries += 1) {
    if (tries > MAX_TRIES)
      throw new Error(`what refers to sha256:${narHash} comes faster than it goes`);
    for (const path of view.pathsWith(narHash)) await removeReferrers(options, path);
    signal.throwIfAborted();
    const paths = view.pathsWith(narHash);
    // False when something new refers to one of them.
    if (!(await intake.removals.forget(narHash, paths))) continue;
    progress.paths += paths.length;
    progress.files += 1;
    return;
  }
}

/** Everything that needs the path, in the order in which it may go. */
async function removeReferrers(
  {
    view,
    intake,
    progress,
    signal,
  }: { view: CheckView; intake: NarIntake; progress: Progress; signal: AbortSignal },
  path: ShownPath,
): Promise<void> {
  const found: string[] = [];
  const seen = new Set([path.hashPart]);
  const open = [path.hashPart];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    for (const referrer of view.referrers(path.cacheId, next)) {
      if (seen.has(referrer)) continue;
      seen.add(referrer);
      found.push(referrer);
      open.push(referrer);
    }
    await nextTurn();
  }
  // The farthest first; one whose own referrer comes later is tried again.
  for (let rest = found.toReversed(); rest.length > 0;) {
    const left: string[] = [];
    for (let at = 0; at < rest.length; at += STEP) {
      signal.throwIfAborted();
      const some = rest.slice(at, at + STEP);
      const { result, finished } = await intake.removals.release(
        view.narHashes(path.cacheId, some),
        (db) => deleteUnreferredPaths(db, path.cacheId, some),
      );
      await finished;
      progress.paths += result.length;
      const gone = new Set(result);
      left.push(
        ...some.filter((hashPart) => !gone.has(hashPart) && view.isShown(path.cacheId, hashPart)),
      );
      await nextTurn();
    }
    if (left.length === rest.length) return;
    rest = left;
  }
}
