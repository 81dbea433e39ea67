import type { CollectionView } from "../db/collection-view.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import { Turns } from "../intake/turns.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import type { Progress } from "./progress.ts";

const STEP = 100;
const RELEASED_AT_ONCE = 32;

/** Removes objects that nothing shows: of caches that were deleted, of results that never came. */
export async function removeUnusedNars(
  options: {
    view: CollectionView;
    intake: Pick<NarIntake, "release">;
    progress: Progress;
    signal: AbortSignal;
  },
  unusedSince: number,
): Promise<void> {
  const { view, intake, progress, signal } = options;
  const turns = new Turns();
  for (let after = ""; ;) {
    signal.throwIfAborted();
    const nars = view.narsAfter(after, unusedSince, STEP);
    const unused = nars.flatMap((nar) => (nar.unused === 1 ? nar.narHash : []));
    for (let at = 0; at < unused.length; at += RELEASED_AT_ONCE) {
      const { gone, finished } = await intake.release(unused.slice(at, at + RELEASED_AT_ONCE), () =>
        Promise.resolve(null),
      );
      progress.files += gone.length;
      progress.fileBytes += gone.reduce((sum, { fileSize }) => sum + fileSize, 0);
      await finished;
    }
    const last = nars.at(-1);
    if (last === undefined) return;
    after = last.narHash;
    await turns.giveWay();
  }
}

/** Removes files without an object: what a crash left between the two. */
export async function removeStrayFiles(
  files: NarStorage,
  intake: Pick<NarIntake, "removeStrays">,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const turns = new Turns();
  for await (const hashes of files.hashes()) {
    for (let at = 0; at < hashes.length; at += STEP) {
      signal.throwIfAborted();
      progress.files += await intake.removeStrays(hashes.slice(at, at + STEP));
      await turns.giveWay();
    }
  }
}
