import { createHash } from "node:crypto";
import { dumpPath, encodeNix32, type RestoreResult, type RestoreSpec } from "@gradient/protocol";
import { reasonOf } from "../../error-facts.ts";
import type { Job, JobTools } from "../job.ts";

type WantedPath = RestoreSpec["paths"][number];

/** Longer reasons are cut (schema of the result). */
const MAX_PROBLEM_CHARACTERS = 2000;

/** Uploads those of the paths again whose bytes this store has as they were asked for, and says of each other one why it cannot. */
export async function runRestore(
  spec: RestoreSpec,
  job: Job,
  tools: JobTools,
): Promise<RestoreResult> {
  await tools.store.addRoots(
    job.assignment,
    spec.paths.map(({ path }) => path),
  );
  if (!spec.isTrial) job.setPhase("uploading");
  const paths: RestoreResult["paths"] = [];
  for (const wanted of spec.paths) {
    const problem = await restore(wanted, spec, job, tools).catch((error: unknown) => {
      job.signal.throwIfAborted();
      return reasonOf(error).slice(0, MAX_PROBLEM_CHARACTERS);
    });
    paths.push({ path: wanted.path, problem });
  }
  return { kind: "restore", failure: null, paths };
}

async function restore(
  { path, narHash }: WantedPath,
  { isTrial }: RestoreSpec,
  job: Job,
  { store, transfers }: JobTools,
): Promise<string | null> {
  const facts = await store.pathFacts(path);
  if (facts === null) return "it is not in this store";
  if (facts.narHash !== narHash)
    return `this store has other bytes under that path: ${facts.narHash}`;
  // What the store says of its bytes was true when they came.
  const found = await hashOf(store.physicalPath(path), job.signal);
  if (found !== narHash) return `this store's own copy is damaged: its NAR has hash ${found}`;
  if (!isTrial) await transfers.uploadNars([facts], job);
  return null;
}

async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of dumpPath(path, signal)) hash.update(chunk);
  return `sha256:${encodeNix32(hash.digest())}`;
}
