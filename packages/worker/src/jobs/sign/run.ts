import type { SignResult, SignSpec } from "@gradient/protocol";
import type { Job, JobTools } from "../job.ts";

/** Signs those of the paths that are valid in this store; names the others. */
export async function runSign(spec: SignSpec, job: Job, tools: JobTools): Promise<SignResult> {
  const owner = job.assignment;
  await tools.store.addRoots(owner, spec.paths);
  const valid = await tools.store.validPaths(spec.paths);
  const lacking = spec.paths.filter((path) => !valid.has(path));
  const signed = valid.size === 0 ? new Map<string, string>() : await tools.signer.sign([...valid]);
  const failure =
    lacking.length === 0
      ? null
      : { message: `this worker's store lacks ${lacking.join(", ")}`, isTransient: false };
  return {
    kind: "sign",
    failure,
    signatures: [...signed].map(([path, signature]) => ({ path, signature })),
  };
}
