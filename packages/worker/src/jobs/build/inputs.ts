import { WorkerError } from "../../errors.ts";
import type { NixStore } from "../../ports.ts";
import { inputsOf, outputPathsOf, readDerivation, type OutputIndex } from "../derivations.ts";
import type { Imports } from "../imports.ts";
import type { Job } from "../job.ts";

export interface BuildPlan {
  /** Output paths by name. */
  readonly outputs: ReadonlyMap<string, string>;
  /** Its sources, and the outputs of its inputs. */
  readonly inputs: readonly string[];
  /** What neither the store nor a cache has; empty when the build can start. */
  readonly missing: readonly string[];
}

/**
 * Makes everything present that a build of exactly this derivation needs: the `.drv` with its closure, its sources, and the outputs of its
 * inputs, but for what the build waits for. All of it, and what will be built, is rooted under the assignment first.
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
    if (missing.length > 0) return { outputs: new Map(), inputs: [], missing };
    needs = needsOf(drvPath, tools);
  }
  const { outputs, inputs } = needs;
  // What was read before it was rooted may be gone, or was never valid: so it is asked for with the inputs.
  await store.addRoots(job.assignment, [drvPath, ...inputs, ...outputs.values()]);
  job.account.enter("prefetch");
  const made = job.ahead === null ? null : tools.outputIndex.of(job.ahead.drvPath);
  const toCome = new Set<string | null>(made?.values());
  const present = [drvPath, ...inputs].filter((path) => !toCome.has(path));
  return { outputs, inputs: [...inputs], missing: await imports.ensure(present, job) };
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
  const outputs = new Map<string, string>();
  for (const [name, path] of outputPathsOf(derivation)) {
    outputs.set(name, knownPath(path, `output '${name}' of ${drvPath}`));
  }
  const inputs = new Set<string>();
  for (const { path, what } of inputsOf(derivation, outputIndex)) {
    inputs.add(knownPath(path, what));
  }
  return { outputs, inputs };
}

function knownPath(path: string | null, what: string): string {
  if (path !== null) return path;
  throw new WorkerError(
    "unsupported-derivation",
    `the path of ${what} is not known before it is built: content-addressed derivations are not supported`,
  );
}
