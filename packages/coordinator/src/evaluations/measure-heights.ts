import { setImmediate as nextTurn } from "node:timers/promises";
import { batchesOf } from "../db/batches.ts";
import { findUnfinishedBuilds, raiseHeight, type UnfinishedBuild } from "../db/build-repository.ts";
import { findReadyBuildsOf } from "../db/ready-build-repository.ts";
import type { DerivationReads } from "../db/derivation-repository.ts";
import type { Queries } from "../db/client.ts";
import type { ChangeFacts } from "../queue/change.ts";

const VISITS_PER_TURN = 1000;

/**
 * Measures, once an evaluation has named all it needs, how long a chain of builds waits for each of its builds: the order of the queue.
 * While attributes still come in, builds have the height that their own batch gave them.
 */
export async function measureHeights(
  options: { kysely: Queries; derivations: DerivationReads; changes: ChangeFacts },
  evaluationId: string,
): Promise<void> {
  const builds = await findUnfinishedBuilds(options.kysely, evaluationId);
  const heights = await heightsOf(options.derivations, builds);
  const byHeight = new Map<number, number[]>();
  for (const build of builds) {
    const height = heights.get(build.derivation) ?? 0;
    if (height <= build.height) continue;
    const same = byHeight.get(height);
    if (same === undefined) byHeight.set(height, [build.id]);
    else same.push(build.id);
  }
  for (const [height, ids] of byHeight) {
    for (const batch of batchesOf(ids)) {
      await options.changes(async (change) => {
        const queued = await raiseHeight(change.kysely, batch, height);
        change.news.reordered.push(...(await findReadyBuildsOf(change.kysely, queued)));
      });
      await nextTurn();
    }
  }
}

/** Longest chain of dependents, by derivation. Peels the graph from the builds that nothing waits for. */
async function heightsOf(
  derivations: DerivationReads,
  builds: readonly UnfinishedBuild[],
): Promise<Map<number, number>> {
  const inputs = new Map<number, number[]>();
  const dependentsLeft = new Map<number, number>(builds.map(({ derivation }) => [derivation, 0]));
  for (const [at, { derivation }] of builds.entries()) {
    if (at % VISITS_PER_TURN === VISITS_PER_TURN - 1) await nextTurn();
    const unfinished = derivations.inputs(derivation).filter((input) => dependentsLeft.has(input));
    inputs.set(derivation, unfinished);
    for (const input of unfinished) dependentsLeft.set(input, (dependentsLeft.get(input) ?? 0) + 1);
  }
  const heights = new Map<number, number>();
  const open = [...dependentsLeft]
    .filter(([, count]) => count === 0)
    .map(([derivation]) => derivation);
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const above = (heights.get(top) ?? 0) + 1;
    for (const input of inputs.get(top) ?? []) {
      heights.set(input, Math.max(heights.get(input) ?? 0, above));
      const left = (dependentsLeft.get(input) ?? 0) - 1;
      dependentsLeft.set(input, left);
      if (left === 0) open.push(input);
    }
  }
  return heights;
}
