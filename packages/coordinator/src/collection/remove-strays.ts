import type { NarRemovals } from "../intake/nar-removals.ts";
import { Turns } from "../intake/turns.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { name, type Progress } from "./progress.ts";

const STEP = 100;

/** What is done about stray files, and where it is told. */
export interface StrayFiles {
  readonly files: Pick<NarStorage, "hashes">;
  readonly removals: Pick<NarRemovals, "findStrays" | "removeStrays">;
  readonly isDryRun: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Names files without an object, which a crash left between the two, and removes them unless it is a dry run. */
export async function removeStrayFiles(
  options: StrayFiles,
): Promise<{ found: number; removed: number }> {
  const { files, removals, isDryRun, progress, signal } = options;
  const turns = new Turns();
  let found = 0;
  let removed = 0;
  for await (const hashes of files.hashes()) {
    for (let at = 0; at < hashes.length; at += STEP) {
      signal.throwIfAborted();
      const strays = removals.findStrays(hashes.slice(at, at + STEP));
      found += strays.length;
      name(
        progress,
        strays.map((narHash) => `sha256:${narHash}: a file that nothing knows`),
      );
      if (!isDryRun) removed += await removals.removeStrays(strays);
      await turns.giveWay();
    }
  }
  return { found, removed };
}
