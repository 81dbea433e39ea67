import { z } from "zod";
import { findProducts, type OutputProducts } from "../../../../artefacts/build-products.ts";
import { listEntryPoints } from "../../../../db/evaluation-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { attributeText } from "./attribute-text.ts";
import { evaluationParams } from "./evaluation-params.ts";

const product = z.object({
  id: z.uuid(),
  type: z.string(),
  subtype: z.string(),
  name: z.string(),
  /** Full store path. */
  path: z.string(),
  /** Bytes; null for a directory, or when it is not known. */
  size: z.int().nullable(),
});

const tree = z.object({
  evaluation: z.uuid(),
  created_at: timestamp,
  entry_points: z.array(
    z.object({
      attr: z.string(),
      derivation: z.string(),
      build_id: z.uuid(),
      outputs: z.array(
        z.object({ name: z.string(), store_path: z.string(), products: z.array(product) }),
      ),
    }),
  ),
});

/** GET /evals/{id}/artefacts: what can be downloaded of an evaluation, by attribute and output. */
export const listArtefactsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/evals/:id/artefacts",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists what can be downloaded of an evaluation's entry points.",
        params: evaluationParams,
        response: { 200: envelope(tree) },
      },
    },
    async (request) => {
      const access = await authority.readEvaluation(request.caller, request.params.id);
      const { evaluation } = access;
      const db = database.kysely;
      const entryPoints = await listEntryPoints(db, evaluation.id);
      const products = await findProducts(db, evaluation.organization_id, entryPoints);
      return ok({
        evaluation: evaluation.id,
        created_at: toTimestamp(evaluation.created_at),
        entry_points: entryPoints
          .map((entry) => ({
            attr: attributeText(entry.attribute_json),
            derivation: entry.drv_path,
            build_id: entry.id,
            outputs: (products.get(entry.id) ?? []).map(toOutput),
          }))
          .toSorted((a, b) => compareTexts(a.attr, b.attr)),
      });
    },
  );
};

function toOutput({ name, storePath, products }: OutputProducts) {
  return {
    name,
    store_path: storePath,
    products: products
      .map(({ place: _place, ...fields }) => fields)
      .toSorted((a, b) => compareTexts(a.path, b.path)),
  };
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
