import { z } from "zod";
import { listInputs, type BuildFacts, type BuildNode } from "../../../../db/build-view.ts";
import type { Queries } from "../../../../db/client.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { buildNode, toBuildNode } from "./build-node.ts";
import { buildParams } from "./build-params.ts";

/** No further level is read once there are so many nodes. */
const ENOUGH_NODES = 500;

const graph = z.object({
  root: z.uuid(),
  nodes: z.array(buildNode),
  /** From the dependency to what depends on it. */
  edges: z.array(z.object({ source: z.uuid(), target: z.uuid() })),
});

/** GET /builds/{id}/graph: what the build depends on, level by level, as far as the evaluation has it. */
export const getGraphRoute: Route = (api, { authority, database }) => {
  api.get(
    "/builds/:id/graph",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Shows what a build depends on; edges go from the dependency to the dependent.",
        params: buildParams,
        response: { 200: envelope(graph) },
      },
    },
    async (request) => {
      const { build } = await authority.readBuild(request.caller, request.params.id);
      return ok(await readGraph(database.kysely, build));
    },
  );
};

async function readGraph(db: Queries, root: BuildFacts): Promise<z.infer<typeof graph>> {
  const nodes = new Map<number, Omit<BuildNode, "derivation_id">>([[root.derivation_id, root]]);
  const edges: { source: string; target: string }[] = [];
  let level: number[] = [root.derivation_id];
  while (level.length > 0 && nodes.size < ENOUGH_NODES) {
    const inputs = await listInputs(db, root.evaluation_id, level);
    level = [];
    for (const input of inputs) {
      if (!nodes.has(input.derivation_id)) {
        nodes.set(input.derivation_id, input);
        level.push(input.derivation_id);
      }
      edges.push({ source: input.id, target: nodes.get(input.needed_by)?.id ?? root.id });
    }
  }
  return { root: root.id, nodes: [...nodes.values()].map(toBuildNode), edges };
}
