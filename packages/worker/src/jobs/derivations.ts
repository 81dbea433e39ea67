import { readFileSync } from "node:fs";
import {
  parseDerivation,
  ProtocolError,
  type Derivation,
  type StorePath,
} from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import { WorkerError } from "../errors.ts";
import type { NixStore } from "../ports.ts";

/** Reads a valid `.drv`. Throws a WorkerError that names it when it cannot be read. */
export function readDerivation(store: NixStore, drvPath: string): Derivation {
  const bytes = readDerivationFile(store, drvPath);
  try {
    return parseDerivation(bytes);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new WorkerError("bad-derivation", `${drvPath}: ${cause.message}`, { cause });
  }
}

/**
 * Synchronous on purpose: these files are small, were written or imported a moment ago, and closures have thousands of them;
 * asynchronous reads of a file in the page cache cost several times as much. Whoever reads many gives way in between.
 */
export function readDerivationFile(store: NixStore, drvPath: string): Buffer {
  try {
    return readFileSync(store.physicalPath(drvPath));
  } catch (cause) {
    throw new WorkerError("bad-derivation", `cannot read ${drvPath}: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

/** Output paths by name; null for one that is known only after the build. */
export type OutputPaths = ReadonlyMap<string, StorePath | null>;

/** As the derivation states them: an output whose path is deferred or floats is null. */
export function outputPathsOf(derivation: Derivation): OutputPaths {
  return new Map([...derivation.outputs].map(([name, { path }]) => [name, path]));
}

/** A path that a derivation needs; null for an output whose path is known only after it is built. */
interface Input {
  readonly path: StorePath | null;
  /** Which output of what derivation it is, for people. */
  readonly what: string;
}

/** Its sources, and the outputs of its inputs. */
export function* inputsOf(
  { inputSrcs, inputDrvs }: Derivation,
  outputs: OutputIndex,
): Generator<Input, void, undefined> {
  for (const path of inputSrcs) yield { path, what: path };
  for (const [drvPath, names] of inputDrvs) {
    const known = outputs.of(drvPath);
    for (const name of names) {
      yield { path: known.get(name) ?? null, what: `output '${name}' of ${drvPath}` };
    }
  }
}

/** Each derivation is an input of many: enough for a large package set. */
const MAX_KEPT = 20_000;

/** Output paths of derivations, remembered: a `.drv` never changes. */
export class OutputIndex {
  readonly #store: NixStore;
  readonly #kept = new Map<string, OutputPaths>();

  constructor(store: NixStore) {
    this.#store = store;
  }

  /** Reads the file the first time. Throws a WorkerError that names it when it cannot be read. */
  of(drvPath: string): OutputPaths {
    const known = this.#kept.get(drvPath);
    if (known) return known;
    const paths = outputPathsOf(readDerivation(this.#store, drvPath));
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(drvPath, paths);
    return paths;
  }
}
