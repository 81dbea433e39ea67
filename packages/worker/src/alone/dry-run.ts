import { formatAttributePath } from "@gradient/protocol";
import { readDerivation } from "../jobs/derivations.ts";
import type { MissingPaths, NixStore, Substituter } from "../ports.ts";
import { type EvaluationRun, evaluateSelections } from "./evaluate.ts";
import { BuildGraph } from "./graph.ts";
import type { BuildView } from "./view.ts";

const MEBIBYTE = 1024 * 1024;

export interface DryRun extends EvaluationRun {
  readonly store: NixStore;
  readonly substituter: Substituter;
  /** Holds the roots of derivations until they were asked for. */
  readonly rootOwner: string;
  readonly view: BuildView;
}

/**
 * Evaluates, and asks Nix what it would build and substitute. Nothing is built but what evaluation imports from. `hasFailed`: not
 * every attribute is among it.
 */
export async function askMissing(
  run: DryRun,
): Promise<{ missing: MissingPaths; hasFailed: boolean }> {
  const { store, substituter, rootOwner, view, signal } = run;
  const wanted = new Set<string>();
  let hasFailed = false;
  for await (const event of evaluateSelections(run)) {
    if (event.type === "message") {
      view.message(event.message);
    } else if (event.job.outcome === "derivation") {
      wanted.add(event.job.drvPath);
    } else {
      hasFailed = true;
      const name = formatAttributePath(event.job.attribute);
      view.message({ level: "Error", text: `${name}: ${event.job.error}` });
    }
  }
  await store.addRoots(rootOwner, [...wanted]);
  const missing = await substituter.missing([...wanted], {
    onWarning: (text) => view.message({ level: "Warning", text }),
    signal,
  });
  signal.throwIfAborted();
  return { missing: { ...missing, willBuild: inBuildOrder(missing.willBuild, store) }, hasFailed };
}

/** In the words of `nix-build --dry-run`. */
export function missingText(missing: MissingPaths): string {
  const { willBuild, willSubstitute, downloadBytes, unpackedBytes } = missing;
  const sizes = `${mebibytes(downloadBytes)} MiB download, ${mebibytes(unpackedBytes)} MiB unpacked`;
  return [
    ...sectionOf(willBuild, "derivation", "will be built"),
    ...sectionOf(willSubstitute.toSorted(), "path", `will be fetched (${sizes})`),
  ].join("");
}

function sectionOf(paths: readonly string[], noun: string, what: string): string[] {
  if (paths.length === 0) return [];
  const these = paths.length === 1 ? `this ${noun}` : `these ${paths.length} ${noun}s`;
  return [`${these} ${what}:\n`, ...paths.map((path) => `  ${path}\n`)];
}

function mebibytes(sizeBytes: number): string {
  return (sizeBytes / MEBIBYTE).toFixed(2);
}

function inBuildOrder(drvPaths: readonly string[], store: NixStore): string[] {
  const graph = new BuildGraph();
  graph.add(
    drvPaths.toSorted().map((drvPath) => {
      return { drvPath, inputDrvs: readDerivation(store, drvPath).inputDrvs.keys() };
    }),
  );
  const ordered: string[] = [];
  for (let next = graph.take(); next !== null; next = graph.take()) {
    ordered.push(next);
    graph.built(next);
  }
  return ordered;
}
