import type { PathFacts } from "@gradient/protocol";
import type { CachedPath } from "../db/cache-path-repository.ts";

const STORE = "/nix/store/";

/** `HASH-NAME` of a path in /nix/store; whether it is one was checked where it came in. */
export function baseOf(storePath: string): string {
  return storePath.slice(STORE.length);
}

/** Facts as they travel, from facts as they are stored. */
export function toPathFacts(path: CachedPath): PathFacts {
  return {
    path: STORE + path.path,
    narHash: `sha256:${path.narHash}`,
    narSize: path.narSize,
    references: path.references.map((base) => STORE + base),
    deriver: path.deriver === null ? null : STORE + path.deriver,
    ca: path.ca,
    signatures: [...path.signatures],
  };
}

/** Facts as they are stored, from facts as they travel. References are brought into order. */
export function fromPathFacts(facts: PathFacts): CachedPath {
  return {
    path: baseOf(facts.path),
    narHash: facts.narHash.slice("sha256:".length),
    narSize: facts.narSize,
    references: [...new Set(facts.references.map(baseOf))].toSorted(),
    deriver: facts.deriver === null ? null : baseOf(facts.deriver),
    ca: facts.ca,
    signatures: facts.signatures,
  };
}
