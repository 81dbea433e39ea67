import type { Queries } from "../db/client.ts";
import type { ClosureSizes, DerivationClosure } from "../db/closure-size-repository.ts";
import {
  listDerivationSizes,
  listInputEdges,
  listOutputPaths,
  listReferences,
} from "../db/closure-view.ts";
import { MAX_FOLLOWED } from "./closure-graph.ts";

/** Nodes by what they need directly, and their bytes; a size that is not known is left out. */
interface SizedGraph<Node> {
  readonly next: ReadonlyMap<Node, readonly Node[]>;
  readonly bytes: ReadonlyMap<Node, number>;
  readonly isComplete: boolean;
}

/** Sizes of the closures of all roots together, and of each of `alone`, which are among the roots. Takes seconds for 100,000 roots: not for the main thread. */
export async function countClosures(
  db: Queries,
  organizationId: string,
  roots: readonly number[],
  alone: readonly number[],
): Promise<{ whole: ClosureSizes; each: DerivationClosure[] }> {
  const build = await buildGraph(db, organizationId, roots);
  const outputs = await listOutputPaths(db, roots);
  const runtime = await runtimeGraph(db, organizationId, [...outputs.values()].flat());
  const sizesOf = (derivations: readonly number[]): ClosureSizes => ({
    buildBytes: sumOf(build, derivations),
    runtimeBytes: sumOf(
      runtime,
      derivations.flatMap((id) => outputs.get(id) ?? []),
    ),
  });
  return {
    whole: sizesOf(roots),
    each: alone.map((derivation) => ({ derivation, ...sizesOf([derivation]) })),
  };
}

async function buildGraph(
  db: Queries,
  organizationId: string,
  roots: readonly number[],
): Promise<SizedGraph<number>> {
  const edges = await listInputEdges(db, roots, MAX_FOLLOWED);
  const next = new Map<number, number[]>();
  const seen = new Set(roots);
  for (const { input, dependent } of edges) {
    seen.add(input);
    const inputs = next.get(dependent);
    if (inputs === undefined) next.set(dependent, [input]);
    else inputs.push(input);
  }
  const sizes = await listDerivationSizes(db, organizationId, [...seen]);
  const bytes = new Map(
    sizes.flatMap(({ derivation, size }) => (size === null ? [] : [[derivation, size] as const])),
  );
  return { next, bytes, isComplete: seen.size < MAX_FOLLOWED };
}

async function runtimeGraph(
  db: Queries,
  organizationId: string,
  roots: readonly string[],
): Promise<SizedGraph<string>> {
  const next = new Map<string, readonly string[]>();
  const bytes = new Map<string, number>();
  const seen = new Set(roots);
  for (let level = [...seen]; level.length > 0 && seen.size < MAX_FOLLOWED;) {
    const found = await listReferences(db, organizationId, level);
    for (const [path, { size, references }] of found) {
      bytes.set(path, size);
      next.set(path, references);
    }
    const behind = new Set([...found.values()].flatMap(({ references }) => references));
    level = [...behind].filter((path) => !seen.has(path));
    for (const path of level) seen.add(path);
  }
  return { next, bytes, isComplete: seen.size < MAX_FOLLOWED };
}

/** Over everything that the roots reach, themselves with it. */
function sumOf<Node>(
  { next, bytes, isComplete }: SizedGraph<Node>,
  roots: readonly Node[],
): number | null {
  if (!isComplete) return null;
  const seen = new Set(roots);
  let sum: number | null = null;
  for (const node of seen) {
    const size = bytes.get(node);
    if (size !== undefined) sum = (sum ?? 0) + size;
    // What is added to a set while it is gone through comes, too.
    for (const other of next.get(node) ?? []) seen.add(other);
  }
  return sum;
}
