import type { PromisedPaths } from "../collection/promised-paths.ts";
import type { DerivationReads } from "../db/derivation-repository.ts";

/**
 * Whether a derivation's outputs are there without a build. `unknown` is the answer of a cache that does not answer:
 * it must never be taken for `absent`, or an outage would start builds of half the world.
 */
export type Availability = "have" | "absent" | "unknown";

/** The one decision about substitution. */
export type DecideAvailability = (derivation: number) => Promise<Availability>;

/** Outputs count as available when a cache that the derivation's organization may read shows them. Upstream caches are asked here, too, once there are any. */
export function availabilityInCaches(
  derivations: DerivationReads,
  promised: PromisedPaths,
): DecideAvailability {
  return (derivation) => {
    if (derivations.countMissingOutputs(derivation) > 0) return Promise.resolve("absent");
    promised.add(derivations.outputs(derivation).flatMap(({ path }) => path ?? []));
    return Promise.resolve("have");
  };
}
