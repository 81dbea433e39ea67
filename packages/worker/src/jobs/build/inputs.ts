import { WorkerError } from "../../errors.ts";
import type { NixStore } from "../../ports.ts";
import {
  outputPathsOf,
  readDerivation,
  type OutputIndex,
  type OutputPaths,
} from "../derivations.ts";
import type { Imports } from "../imports.ts";
import type { Job } from "../job.ts";

export interface BuildPlan {
  /** Output paths by name. */
  readonly outputs: ReadonlyMap<string, string>;
  /** What neither the store nor a cache has; empty when the build can start. */
  readonly missing: readonly string[];
}

/**
 * Makes everything present that a build of exactly this derivation needs: the `.drv` with its closure, its sources, and the outputs of its
 * inputs. All of it, and what will be built, is rooted under the assignment first.
 */
export async function prepareInputs(
  drvPath: string,
  job: Job,
  tools: { store: NixStore; imports: Imports; outputIndex: OutputIndex },
): Promise<BuildPlan> {
  const { store, imports } = tools;
  let needs = needsIfPresent(drvPath, tools);
  if (needs === null) {
    await store.addRoots(job.assignment, [drvPath]);
    job.account.enter("prefetch");
    const missing = await imports.ensure([drvPath], job);
    job.account.enter("prepare");
    if (missing.length > 0) return { outputs: new Map(), missing };
    needs = needsOf(drvPath, tools);
  }
  const { outputs, inputs } = needs;
  // What was read before it was rooted may be gone, or was never valid: so it is asked for with the inputs.
  const present = [drvPath, ...inputs];
  await store.addRoots(job.assignment, [...present, ...outputs.values()]);
  job.account.enter("prefetch");
  return { outputs, missing: await imports.ensure(present, job) };
}

/** What a derivation builds, by name, and what it takes for that. */
interface Needs {
  readonly outputs: ReadonlyMap<string, string>;
  readonly inputs: ReadonlySet<string>;
}

type Tools = Parameters<typeof prepareInputs>[2];

/** null when a `.drv` cannot be read: it is not there yet. */
function needsIfPresent(drvPath: string, tools: Tools): Needs | null {
  try {
    return needsOf(drvPath, tools);
  } catch (error) {
    if (error instanceof WorkerError && error.code === "bad-derivation") return null;
    throw error;
  }
}

function needsOf(drvPath: string, { store, outputIndex }: Tools): Needs {
  const derivation = readDerivation(store, drvPath);
  const own = outputPathsOf(derivation);
  const outputs = knownOutputs(drvPath, own, own.keys());
  const inputs = new Set<string>(derivation.inputSrcs);
  for (const [inputDrv, names] of derivation.inputDrvs) {
    const paths = knownOutputs(inputDrv, outputIndex.of(inputDrv), names);
    for (const path of paths.values()) inputs.add(path);
  }
  return { outputs, inputs };
}

function knownOutputs(
  drvPath: string,
  outputs: OutputPaths,
  names: Iterable<string>,
): Map<string, string> {
  const known = new Map<string, string>();
  for (const name of names) {
    const path = outputs.get(name) ?? null;
    if (path === null) {
      throw new WorkerError(
        "unsupported-derivation",
        `the path of output '${name}' of ${drvPath} is not known before it is built: content-addressed derivations are not supported`,
      );
    }
    known.set(name, path);
  }
  return known;
}
