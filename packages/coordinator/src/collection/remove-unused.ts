import { forgetHiddenFiles, type GoneNar } from "../db/collection-repository.ts";
import { Turns } from "../intake/turns.ts";
import type { PassTools } from "./pass-tools.ts";
import { name } from "./progress.ts";

const STEP = 100;

/**
 * Removes objects that nothing shows: of caches that were deleted, of results that never came, of files that a cache was given and does not show. A dry run counts and names them.
 */
export async function removeUnusedNars(
  { view, progress, signal, release }: PassTools,
  { unusedSince, isDryRun }: { unusedSince: number; isDryRun: boolean },
): Promise<void> {
  const turns = new Turns();
  for (let after = ""; ;) {
    signal.throwIfAborted();
    const nars = view.narsAfter(after, unusedSince, STEP);
    let gone: readonly GoneNar[] = nars.filter(({ unused }) => unused === 1);
    const narHashes = gone.map(({ narHash }) => narHash);
    if (isDryRun) {
      name(
        progress,
        narHashes.map((narHash) => `sha256:${narHash}: a file that no cache shows`),
      );
    } else if (narHashes.length > 0) {
      ({ gone } = await release({ narHashes, paths: [] }, (db) =>
        forgetHiddenFiles(db, narHashes, unusedSince),
      ));
    }
    progress.files += gone.length;
    progress.fileBytes += gone.reduce((sum, { fileSize }) => sum + fileSize, 0);
    const last = nars.at(-1);
    if (last === undefined) return;
    after = last.narHash;
    await turns.giveWay();
  }
}
