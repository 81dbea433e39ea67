import { formatAttributePath } from "@gradient/protocol";
import { z } from "zod";
import {
  listEvaluatedAttributes,
  type EvaluatedAttribute,
} from "../../../../db/evaluation-view.ts";
import { readJsonColumn, stringListSchema } from "../../../../db/json-column.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { longAnswer } from "../../../long-answer.ts";
import { evaluationParams } from "./evaluation-params.ts";

const node = z
  .object({
    path: z.string(),
    parent: z.string().nullable(),
    name: z.string(),
    /** `error` for an attribute that could not be evaluated. */
    kind: z.enum(["attrset", "derivation", "error"]),
    is_derivation: z.boolean(),
    drv_path: z.string().nullable(),
  })
  .meta({ id: "FlakeGraphNode" });

/** GET /evals/{id}/flake-graph: the attributes that the pattern led to, with the sets that they lie in. */
export const getFlakeGraphRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id/flake-graph",
    {
      ...longAnswer,
      config: { access: "optional" },
      schema: {
        summary: "Shows the flake's attributes that were evaluated, as a tree.",
        params: evaluationParams,
        response: { 200: envelope(z.array(node)) },
      },
    },
    async (request) => {
      const { evaluation } = await authority.readEvaluation(request.caller, request.params.id);
      return ok(treeOf(await listEvaluatedAttributes(database.kysely, evaluation.id)));
    },
  );
};

/** Each set stands before what lies in it. */
function treeOf(attributes: readonly EvaluatedAttribute[]): z.infer<typeof node>[] {
  const nodes = new Map<string, z.infer<typeof node>>();
  for (const { attribute_json, drv_path } of attributes) {
    const path = readJsonColumn(stringListSchema, attribute_json);
    let parent: string | null = null;
    for (const [at, name] of path.entries()) {
      const text = formatAttributePath(path.slice(0, at + 1));
      const isLeaf = at === path.length - 1;
      const kind = isLeaf ? (drv_path === null ? "error" : "derivation") : "attrset";
      if (isLeaf || !nodes.has(text)) {
        const isDerivation = kind === "derivation";
        const drv = isLeaf ? drv_path : null;
        nodes.set(text, {
          path: text,
          parent,
          name,
          kind,
          is_derivation: isDerivation,
          drv_path: drv,
        });
      }
      parent = text;
    }
  }
  return [...nodes.values()];
}
