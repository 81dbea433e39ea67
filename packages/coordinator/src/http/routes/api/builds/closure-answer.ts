import { z } from "zod";
import type { ClosureGraph } from "../../../../closures/closure-graph.ts";

export const closureGraph = z
  .object({
    /** Ids of the nodes that it begins with. */
    roots: z.array(z.string()),
    /** Bytes of all NARs, also of nodes that are not shown; null when nothing is known. */
    total_size_bytes: z.int().nullable(),
    node_count: z.int(),
    edge_count: z.int(),
    /** Whether only the largest nodes are shown. */
    truncated: z.boolean(),
    nodes: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        path: z.string(),
        nar_size: z.int().nullable(),
      }),
    ),
    /** From what is needed to what needs it. */
    edges: z.array(z.object({ source: z.string(), target: z.string() })),
  })
  .meta({ id: "ClosureGraph" });

/** The counts are those of what is shown; the total is that of everything. */
export function toClosureAnswer(graph: ClosureGraph): z.infer<typeof closureGraph> {
  return {
    roots: [...graph.roots],
    total_size_bytes: graph.totalBytes,
    node_count: graph.nodes.length,
    edge_count: graph.edges.length,
    truncated: graph.isTruncated,
    nodes: graph.nodes.map(({ size, ...node }) => ({ ...node, nar_size: size })),
    edges: [...graph.edges],
  };
}
