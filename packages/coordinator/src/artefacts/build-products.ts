import { v5 as uuidv5 } from "uuid";
import { listShownOutputs, type ShownOutput } from "../db/build-product-repository.ts";
import type { Queries } from "../db/client.ts";
import { NotFoundError } from "../errors.ts";
import type { NamedProduct } from "../nar-contents/build-products.ts";
import type { ShownNar } from "../nar-contents/follow-links.ts";

/** Something of a build that people download. */
export interface BuildProduct {
  /** UUID; the same one every time that the build is asked for it. */
  readonly id: string;
  /** The output that names it, and its position among what that names. */
  readonly output: string;
  readonly position: number;
  readonly type: string;
  readonly subtype: string;
  /** Last name of its path; of a whole store path, the name without the hash. */
  readonly name: string;
  /** Full store path. */
  readonly path: string;
  /** Bytes; null when it is no file, or not known. */
  readonly size: number | null;
  readonly place: ShownNar & { readonly names: readonly string[] };
}

/** An output of a build, with what its hydra-build-products file names. */
export interface OutputProducts {
  readonly name: string;
  /** Base name. */
  readonly storePath: string;
  readonly products: readonly BuildProduct[];
}

/** A build as an evaluation has it. */
interface EvaluationBuild {
  /** Of the evaluation build. */
  readonly id: string;
  readonly derivation_id: number;
}

/**
 * Outputs with their products for each of the builds, by the build's id, in the order of their names. A product that lies in another
 * output of the same derivation counts; one that lies anywhere else is left out, and so is everything that no cache of the organization has.
 */
export async function findProducts(
  db: Queries,
  organizationId: string,
  builds: readonly EvaluationBuild[],
): Promise<Map<string, OutputProducts[]>> {
  const derivations = new Set(builds.map((build) => build.derivation_id));
  const outputs = new Map<number, ShownOutput[]>();
  for (const output of await listShownOutputs(db, organizationId, [...derivations])) {
    const others = outputs.get(output.derivation);
    if (others === undefined) outputs.set(output.derivation, [output]);
    else others.push(output);
  }
  return new Map(
    builds.map(({ id, derivation_id: derivation }) => {
      const own = outputs.get(derivation) ?? [];
      return [id, own.flatMap((output) => withProducts(id, output, own))];
    }),
  );
}

function withProducts(
  buildId: string,
  output: ShownOutput,
  outputs: readonly ShownOutput[],
): OutputProducts[] {
  if (output.path === null) return [];
  const products = output.products.flatMap((named, position) => {
    const place = outputs.find(({ path }) => path === named.base);
    if (place === undefined || place.narHash === null) return [];
    const id = uuidv5(`${output.name}/${position}`, buildId);
    // What was found there was found in the NAR that names it.
    const size = place === output ? named.size : null;
    const by = { id, output: output.name, position };
    return [toProduct(by, { ...named, size }, place.narHash)];
  });
  return [{ name: output.name, storePath: output.path, products }];
}

function toProduct(
  by: Pick<BuildProduct, "id" | "output" | "position">,
  named: NamedProduct,
  narHash: string,
): BuildProduct {
  const { type, subtype, base, names, size } = named;
  return {
    ...by,
    type,
    subtype,
    name: names.at(-1) ?? base.slice(33),
    path: ["/nix/store", base, ...names].join("/"),
    size,
    place: { path: base, narHash, names },
  };
}

/** The first product with that name, or whose path ends with it. Throws NotFoundError. */
export function productNamed(outputs: readonly OutputProducts[], filename: string): BuildProduct {
  const found = outputs
    .flatMap(({ products }) => products)
    .find(({ name, path }) => name === filename || path.endsWith(`/${filename}`));
  if (found !== undefined) return found;
  throw new NotFoundError(
    `the build has no product "${filename}": its outputs name none in nix-support/hydra-build-products, or no cache has it`,
  );
}
