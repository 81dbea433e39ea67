import { formatPattern, openNarEntry, type PatternSegment } from "@gradient/protocol";
import { readNar } from "../nar-contents/read-nar.ts";
import type { NarStore, StoredSource, WorkerLink } from "../ports.ts";
import { checkWildcard } from "../rules/wildcard.ts";
import type { BuildRequest } from "./dispatch-session.ts";

export interface WildcardDependencies {
  readonly nars: NarStore;
  readonly workers: Pick<WorkerLink, "live">;
}

/** Looked at before anything of the source is. Throws BadRequestError. */
export function checkTarget({ target }: BuildRequest): void {
  if (target !== null && target !== "") checkWildcard(target);
}

/**
 * Attribute patterns of what a client asks for. When it names nothing: of a flake the packages of its system, of classic Nix the derivations near
 * the root. A client that names no system means those that somebody is there to build for.
 */
export async function chooseWildcard(
  { nars, workers }: WildcardDependencies,
  source: StoredSource,
  { target, system }: BuildRequest,
): Promise<string> {
  if (target !== null && target !== "") return target;
  if (!(await isFlake(nars, source))) return "*";
  const live = workers
    .live()
    .filter((each) => each.capabilities.build && each.authorized.has(source.organization))
    .flatMap((each) => each.systems);
  const systems = system === null || system === "" ? [...new Set(live)].sort() : [system];
  if (systems.length === 0) return "packages.*";
  return formatPattern({ include: systems.map(packagesOf), exclude: [] });
}

function packagesOf(system: string): PatternSegment[] {
  return [{ kind: "name", name: "packages" }, { kind: "name", name: system }, { kind: "star" }];
}

async function isFlake(nars: NarStore, { narHash }: StoredSource): Promise<boolean> {
  const entry = await openNarEntry(readNar(nars, narHash), ["flake.nix"]);
  await entry?.[Symbol.asyncDispose]();
  return entry?.type === "regular";
}
