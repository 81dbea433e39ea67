import {
  listDerivationSizes,
  listInputEdges,
  listOutputPaths,
  listReferences,
  type ClosureEdge,
} from "../db/closure-view.ts";
import type { Queries } from "../db/client.ts";

/** What a closure is made of: a derivation, or a store path. */
export interface ClosureNode {
  /** Hash part of the path. */
  readonly id: string;
  readonly name: string;
  /** Base name. */
  readonly path: string;
  /** Bytes of the NAR, or of those of all outputs; null when no cache of the organization has one. */
  readonly size: number | null;
}

export interface ClosureGraph {
  readonly roots: readonly string[];
  /** Of all nodes, also those that are not shown; null when nothing of it is known. */
  readonly totalBytes: number | null;
  readonly nodes: readonly ClosureNode[];
  readonly edges: readonly ClosureEdge[];
  /** Whether there are more nodes than are shown. */
  readonly isTruncated: boolean;
}

/** The largest ones are shown. */
const MAX_NODES = 500;
/** A closure is not followed further; it is truncated then, and its total unknown. */
export const MAX_FOLLOWED = 200_000;

/** Everything that the derivations need to be built, by the sizes of what it makes. */
export async function buildClosure(
  db: Queries,
  organizationId: string,
  derivations: readonly number[],
): Promise<ClosureGraph> {
  const edges = await listInputEdges(db, derivations, MAX_FOLLOWED);
  const seen = new Set(derivations);
  for (const { input } of edges) seen.add(input);
  const nodes = new Map<number, ClosureNode>();
  for (const { derivation, drvPath, name, size } of await listDerivationSizes(db, organizationId, [
    ...seen,
  ])) {
    nodes.set(derivation, { id: drvPath.slice(0, 32), name, path: drvPath, size });
  }
  const idOf = (derivation: number) => nodes.get(derivation)?.id ?? "";
  return toGraph({
    roots: derivations.map(idOf),
    nodes: [...nodes.values()],
    edges: edges.map(({ input, dependent }) => ({ source: idOf(input), target: idOf(dependent) })),
    isComplete: seen.size < MAX_FOLLOWED,
  });
}

/** Everything that the outputs of the derivations refer to, as far as caches of the organization have it. */
export async function runtimeClosure(
  db: Queries,
  organizationId: string,
  derivations: readonly number[],
): Promise<ClosureGraph> {
  const outputs = await listOutputPaths(db, derivations);
  const roots = [...new Set([...outputs.values()].flat())];
  const seen = new Set(roots);
  const nodes: ClosureNode[] = [];
  const edges: ClosureEdge[] = [];
  for (let level = [...seen]; level.length > 0 && seen.size < MAX_FOLLOWED;) {
    const found = await listReferences(db, organizationId, level);
    const next: string[] = [];
    for (const path of level) {
      const facts = found.get(path);
      nodes.push({ ...identityOf(path), size: facts?.size ?? null });
      const others = (facts?.references ?? []).filter((reference) => reference !== path);
      next.push(...others);
      const target = path.slice(0, 32);
      edges.push(...others.map((reference) => ({ source: reference.slice(0, 32), target })));
    }
    level = unseen(next, seen);
  }
  return toGraph({
    roots: roots.map((path) => path.slice(0, 32)),
    nodes,
    edges,
    isComplete: seen.size < MAX_FOLLOWED,
  });
}

function identityOf(path: string): Pick<ClosureNode, "id" | "name" | "path"> {
  return { id: path.slice(0, 32), name: path.slice(33), path };
}

/** Adds what was not seen, and gives it back. */
function unseen<T>(items: readonly T[], seen: Set<T>): T[] {
  const fresh: T[] = [];
  for (const item of items) {
    if (seen.has(item)) continue;
    seen.add(item);
    fresh.push(item);
  }
  return fresh;
}

function toGraph(closure: {
  roots: readonly string[];
  nodes: readonly ClosureNode[];
  edges: readonly ClosureEdge[];
  isComplete: boolean;
}): ClosureGraph {
  const { roots, nodes, edges, isComplete } = closure;
  const isRoot = new Set(roots);
  const sizes = nodes.flatMap(({ size }) => size ?? []);
  const isKnown = isComplete && sizes.length > 0;
  const shown = nodes
    .toSorted(
      (a, b) =>
        Number(isRoot.has(b.id)) - Number(isRoot.has(a.id)) || (b.size ?? -1) - (a.size ?? -1),
    )
    .slice(0, MAX_NODES);
  const ids = new Set(shown.map(({ id }) => id));
  return {
    roots,
    totalBytes: isKnown ? sizes.reduce((sum, size) => sum + size, 0) : null,
    nodes: shown,
    edges: edges.filter(({ source, target }) => ids.has(source) && ids.has(target)),
    isTruncated: !isComplete || nodes.length > shown.length,
  };
}
