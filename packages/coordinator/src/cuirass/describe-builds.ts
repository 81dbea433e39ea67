import { z } from "zod";
import { findProducts, type BuildProduct } from "../artefacts/build-products.ts";
import type { Database, Queries } from "../db/client.ts";
import type { CuirassBuildView, ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { BuildObject, ProductObject } from "./build-object.ts";

/** A product with the number that it is downloaded by. */
export interface NumberedProduct extends BuildProduct {
  readonly number: number;
}

const numbersSchema = z.array(z.tuple([z.int(), z.string(), z.int()]));

/** Products of the builds by the builds' numbers. Most builds have none, and nothing is looked up for them. */
export async function findNumberedProducts(
  db: Queries,
  rows: readonly ProjectBuildRow[],
): Promise<Map<number, NumberedProduct[]>> {
  const byOrganization = new Map<string, ProjectBuildRow[]>();
  for (const row of rows) {
    if (row.productsJson === "[]" || row.status !== 0) continue;
    const others = byOrganization.get(row.organizationId);
    if (others === undefined) byOrganization.set(row.organizationId, [row]);
    else others.push(row);
  }
  const found = new Map<number, NumberedProduct[]>();
  for (const [organization, own] of byOrganization) {
    const builds = own.map((row) => ({ id: keyOf(row), derivation_id: row.derivationId }));
    const outputs = await findProducts(db, organization, builds);
    for (const row of own) {
      const products = outputs.get(keyOf(row))?.flatMap((output) => output.products) ?? [];
      found.set(row.number, numbered(row, products));
    }
  }
  return found;
}

/** The first product of that type; without one, of that subtype, which is what tells images apart (`file iso PATH`). */
export function productOfType(
  products: readonly NumberedProduct[],
  word: string,
): NumberedProduct | undefined {
  return (
    products.find(({ type }) => type === word) ?? products.find(({ subtype }) => subtype === word)
  );
}

/** Products have ids that are made from a UUID; here only their numbers are told. */
function keyOf({ number }: ProjectBuildRow): string {
  return `00000000-0000-8000-8000-${number.toString(16).padStart(12, "0")}`;
}

function numbered(row: ProjectBuildRow, products: readonly BuildProduct[]): NumberedProduct[] {
  const numbers = numbersSchema.parse(JSON.parse(row.productsJson));
  return products.flatMap((product) => {
    const own = numbers.find(
      ([, output, position]) => output === product.output && position === product.position,
    );
    return own === undefined ? [] : [{ ...product, number: own[0] }];
  });
}

/** A JSON array of builds in Cuirass's words, in the order of the numbers, with their products. */
export async function describeBuilds(
  { database, cuirassBuilds }: { database: Database; cuirassBuilds: CuirassBuildView },
  numbers: readonly number[],
): Promise<string> {
  const { text, withProducts } = cuirassBuilds.buildsText(numbers);
  if (withProducts.length === 0) return text;
  const rows = cuirassBuilds.builds(withProducts);
  const products = await findNumberedProducts(database.kysely, rows);
  // It is written by the names of the object's own members.
  const builds = JSON.parse(text) as BuildObject[];
  return JSON.stringify(
    builds.map((build) => ({
      ...build,
      buildproducts: (products.get(build.id) ?? []).map(toObject),
    })),
  );
}

function toObject({ number, type, path, size }: NumberedProduct): ProductObject {
  return { id: number, type, path, "file-size": size ?? 0 };
}
