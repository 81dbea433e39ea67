import type { EvalResult, EvalSpec, Failure, UsageRecord } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import type { Evaluator, UsageMeter } from "../../ports.ts";
import { failureOf, type Job, type JobTools } from "../job.ts";
import { ClosureUpload } from "./closure-upload.ts";
import { Delivery, type Batch } from "./delivery.ts";

export interface EvalTools extends JobTools {
  readonly evaluator: Evaluator;
  /** Longest time, whatever the coordinator allows. */
  readonly evalTimeoutMs: number;
}

/** Evaluates a source tree. Derivations are handed over while it runs, so that builds start meanwhile. */
export async function runEval(spec: EvalSpec, job: Job, tools: EvalTools): Promise<EvalResult> {
  let failure: Failure | null = null;
  let usage: UsageRecord | null = null;
  let meter: UsageMeter | null = null;
  try {
    job.account.enter("prefetch");
    await importSource(spec, job, tools);
    job.account.enter("run");
    job.setPhase("evaluating");
    meter = await tools.meters.start(`eval-${job.assignment}`, {
      memoryBytes: tools.evaluator.memoryLimitBytes,
      cores: null,
      hasParts: true,
    });
    await evaluate(spec, { job, tools, meter });
  } catch (error) {
    failure = failureOf(job.signal.aborted ? job.signal.reason : error);
  } finally {
    if (meter) usage = await meter.finish([]);
  }
  return {
    kind: "eval",
    failure,
    batches: job.entry.progress.batches,
    usage: job.account.complete(usage),
  };
}

async function importSource(spec: EvalSpec, job: Job, tools: EvalTools): Promise<void> {
  const inputs = (spec.inputOverrides ?? []).flatMap(({ url }) => storePathsOf(url));
  const wanted = [spec.source, ...inputs];
  await tools.store.addRoots(job.assignment, wanted);
  const missing = await tools.imports.ensure(wanted, job);
  if (missing.length === 0) return;
  throw new WorkerError(
    "source-missing",
    `no cache of the organization has ${missing.join(", ")}: the commit has to be fetched again`,
  );
}

/** An input that lies in the organization's caches, and not elsewhere. */
function storePathsOf(url: string): string[] {
  return url.startsWith("path:") ? [url.slice("path:".length)] : [];
}

async function evaluate(
  spec: EvalSpec,
  work: { job: Job; tools: EvalTools; meter: UsageMeter },
): Promise<void> {
  const { job, tools, meter } = work;
  const upload = new ClosureUpload(job, tools);
  const delivery = new Delivery((batch) => deliver(batch, upload, job));
  const stop = new AbortController();
  delivery.failed.catch((error: unknown) => stop.abort(error));
  const overrides = spec.inputOverrides ?? [];
  const keep = (storePath: string) => tools.store.addRoots(job.assignment, [storePath]);
  const events = tools.evaluator.evaluate({
    subject: {
      type: "tree",
      directory: tools.store.physicalPath(spec.source),
      storePath: spec.source,
      ...(overrides.length === 0 ? {} : { overrides: { inputs: overrides, keep } }),
    },
    pattern: spec.pattern,
    timeoutMs: Math.min(spec.timeoutSeconds * 1000, tools.evalTimeoutMs),
    meter,
    signal: AbortSignal.any([job.signal, stop.signal]),
  });
  const outcome = await drain(events, delivery);
  job.account.enter("store");
  if (!job.signal.aborted) job.setPhase("uploading");
  // What was found before a failure is delivered too. A failed delivery is the cause of a stopped evaluation, not its effect.
  await delivery.end();
  if (outcome) throw outcome.error;
}

async function drain(
  events: ReturnType<Evaluator["evaluate"]>,
  delivery: Delivery,
): Promise<{ error: unknown } | null> {
  try {
    for await (const event of events) delivery.add(event);
    return null;
  } catch (error) {
    return { error };
  }
}

async function deliver(batch: Batch, upload: ClosureUpload, job: Job): Promise<void> {
  const drvPaths = batch.jobs.flatMap((found) =>
    found.outcome === "derivation" ? [found.drvPath] : [],
  );
  await upload.deliver([...new Set(drvPaths)]);
  await job.entry.addBatch(batch.jobs, batch.messages);
}
