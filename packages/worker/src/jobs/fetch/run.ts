import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FetchResult, FetchSpec, UsageRecord } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { failureOf, type Job, type JobTools } from "../job.ts";
import type { Repositories } from "./repositories.ts";
import type { Commit } from "./tree.ts";

export interface FetchTools extends JobTools {
  readonly repositories: Repositories;
  /** Where each job gets a private directory for its time. */
  readonly scratchDirectory: string;
}

/** Fetches a commit, adds its tree to the store as `source`, uploads it and makes it visible. */
export async function runFetch(spec: FetchSpec, job: Job, tools: FetchTools): Promise<FetchResult> {
  job.account.enter("run");
  job.setPhase("fetching");
  const directory = join(tools.scratchDirectory, job.assignment);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const meter = await tools.meters.start(`fetch-${job.assignment}`, NO_LIMITS);
  const found: Found = { commit: null, source: null, hostKeys: [] };
  let failure: FetchResult["failure"] = null;
  let usage: UsageRecord;
  try {
    const { organization } = job.entry.record;
    const request = { organization, spec, directory, meter, signal: job.signal };
    const onHostKeys = (lines: string[]) => found.hostKeys.push(...lines);
    const tree = join(directory, "tree");
    found.commit = await tools.repositories.checkOut({ ...request, onHostKeys }, tree);
    // What git used is counted. The kernel takes its time to remove the group.
    meter.finish([]).catch(() => {});
    const source = await tools.store.addTree(tree, "source");
    await publishSource(source, job, tools);
    found.source = source;
  } catch (error) {
    failure = failureOf(job.signal.aborted ? job.signal.reason : error);
  } finally {
    usage = await meter.finish([]);
    await rm(directory, { recursive: true, force: true });
  }
  return { kind: "fetch", failure, ...found, usage: fetchUsage(job, usage) };
}

/** What is known by the time that the fetch ends, however it does. */
interface Found {
  commit: Commit | null;
  source: string | null;
  readonly hostKeys: string[];
}

const NO_LIMITS = { memoryBytes: null, cores: null };

/** What git received is not known. */
function fetchUsage(job: Job, measured: UsageRecord): UsageRecord {
  return { ...job.account.complete(measured), receivedBytes: null };
}

async function publishSource(source: string, job: Job, tools: FetchTools): Promise<void> {
  job.account.enter("store");
  job.setPhase("uploading");
  await tools.store.addRoots(job.assignment, [source]);
  const facts = await tools.store.pathFacts(source);
  if (facts === null) {
    throw new WorkerError("source-lost", `${source} was collected before it was uploaded`, {
      isTransient: true,
    });
  }
  job.account.addOutput(facts.narSize);
  await tools.transfers.uploadNars([facts], job);
  await tools.transfers.publish([facts], job);
}
