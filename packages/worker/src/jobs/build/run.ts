import type {
  BuildOutcome,
  BuildResult,
  BuildSpec,
  BuildTimes,
  PathFacts,
  UsageRecord,
} from "@gradient/protocol";
import { orAborted } from "../../abort.ts";
import { WorkerError } from "../../errors.ts";
import { decideOutcome, wasThereBefore } from "../../outcome.ts";
import type { BuildEnd, Builder } from "../../ports.ts";
import type { Ahead } from "../ahead.ts";
import type { OutputIndex } from "../derivations.ts";
import { failureOf, JobEndedError, type Job, type JobTools } from "../job.ts";
import { prepareInputs } from "./inputs.ts";
import { nameOfBuild } from "./resume.ts";

const THERE_BEFORE =
  "nothing was built: the outputs were in this worker's store already, and are uploaded from there\n";

export interface BuildTools extends JobTools {
  readonly builder: Builder;
  readonly outputIndex: OutputIndex;
}

/** What is known of the attempt so far; becomes the result, however it ends. */
interface Attempt {
  readonly times: { -readonly [key in keyof BuildTimes]: BuildTimes[key] };
  usage: UsageRecord | null;
  missingInputs: string[];
  outputs: BuildResult["outputs"];
}

interface Verdict {
  outcome: BuildOutcome;
  message: string | null;
  isGuess: boolean;
  isInterruption?: boolean | undefined;
}

/** Builds one derivation, measured, then signs and uploads its outputs. Every end of it is a result with all that is known by then. */
export async function runBuild(spec: BuildSpec, job: Job, tools: BuildTools): Promise<BuildResult> {
  const { acceptedAt } = job.entry.record;
  const attempt: Attempt = {
    times: { acceptedAt, startedAt: null, stoppedAt: null, uploadedAt: null },
    usage: null,
    missingInputs: [],
    outputs: [],
  };
  const verdict = await perform(spec, attempt, { job, tools }).catch((error: unknown) =>
    verdictOfError(job.signal.aborted ? job.signal.reason : error),
  );
  const { log } = job.entry;
  log.close();
  log.keepLastWords();
  if (log.failure !== null) job.logger.error({ error: log.failure }, "log could not be written");
  return {
    kind: "build",
    ...verdict,
    outputs: attempt.outputs,
    missingInputs: attempt.missingInputs,
    times: attempt.times,
    usage: job.account.complete(attempt.usage),
    logBytes: log.size,
  };
}

async function perform(
  spec: BuildSpec,
  attempt: Attempt,
  context: { job: Job; tools: BuildTools },
): Promise<Verdict> {
  const { job, tools } = context;
  const preparing = prepareInputs(spec.drvPath, job, tools);
  if (job.ahead !== null) await inputBuilt(job.ahead, preparing, { attempt, job, tools });
  const plan = await preparing;
  if (plan.missing.length > 0) {
    attempt.missingInputs.push(...plan.missing);
    const more = plan.missing.length > 1 ? ` and ${plan.missing.length - 1} more` : "";
    return internalError(`no cache of the organization has ${plan.missing[0]}${more}`);
  }
  const end = await build(spec, attempt, { ...context, inputs: plan.inputs });
  // A worker that has to stop is no reason to call the build cancelled.
  if (end.endedBy === "cancel" && job.signal.aborted) return verdictOfError(job.signal.reason);
  const verdict = decideOutcome(end, attempt.usage);
  if (verdict.outcome !== "built") return verdict;
  // For instance by an attempt before, which could not upload them: the log would be empty.
  if (wasThereBefore(end)) job.entry.log.append(THERE_BEFORE);
  job.setPhase("uploading");
  attempt.outputs = await storeOutputs(plan.outputs, context);
  attempt.times.uploadedAt = tools.now();
  return verdict;
}

/** Waits for what the build was offered ahead of. How the preparation ends is told afterwards: before, nobody has accepted anything. */
async function inputBuilt(
  { built }: Ahead,
  preparing: Promise<unknown>,
  { attempt, job, tools }: { attempt: Attempt; job: Job; tools: BuildTools },
): Promise<void> {
  preparing.catch(() => undefined);
  try {
    await orAborted(job.signal, built);
  } catch (reason) {
    // What is released behind it may not go on.
    await Promise.allSettled([preparing]);
    throw reason;
  }
  attempt.times.acceptedAt = tools.now();
  job.account.restart();
}

async function build(
  spec: BuildSpec,
  attempt: Attempt,
  { job, tools, inputs }: { job: Job; tools: BuildTools; inputs: readonly string[] },
): Promise<BuildEnd> {
  job.account.enter("queue");
  try {
    const { end, usage } = await tools.builder.build({
      name: nameOfBuild(job.assignment),
      drvPath: spec.drvPath,
      inputs,
      limits: spec.limits,
      onStart: () => {
        job.account.enter("run");
        job.setPhase("building");
      },
      onBuilt: () => {
        if (!job.signal.aborted) job.setPhase("uploading");
      },
      onLog: (text) => job.entry.log.append(text),
      signal: job.signal,
      keep: {
        directory: job.entry.directory,
        leaseMs: job.entry.record.leaseMs,
        onLogGrew: (logBytes) => job.entry.log.grewTo(logBytes),
        onLogLost: (bytes, reason) => job.entry.log.lose(bytes, reason),
      },
    });
    const { startedAt, startedUs, stoppedAt, stoppedUs } = end;
    Object.assign(attempt.times, { startedAt, startedUs, stoppedAt, stoppedUs });
    attempt.usage = usage;
    return end;
  } finally {
    job.account.enter("store");
  }
}

/**
 * Signs and uploads at the same time. What uses the outputs may start as soon as they are uploaded; signatures are made for many builds at once and may take longer.
 * Resolves to the outputs with this worker's signature.
 */
async function storeOutputs(
  outputs: ReadonlyMap<string, string>,
  { job, tools }: { job: Job; tools: BuildTools },
): Promise<BuildResult["outputs"]> {
  const paths = [...outputs.values()];
  let isSigned = false;
  const sign = async (): Promise<Map<string, string>> => {
    const signatures = await tools.signer.sign(paths);
    isSigned = true;
    return signatures;
  };
  const upload = async (): Promise<PathFacts[]> => {
    const facts = await uploadOutputs(paths, job, tools);
    if (!isSigned) job.setPhase("signing");
    return facts;
  };
  const [facts, signatures] = await Promise.all([upload(), sign()]);
  return [...outputs.keys()].map((name, index) => {
    const found = facts[index];
    const signature = found && signatures.get(found.path);
    if (!found || signature === undefined) {
      throw new WorkerError("unsigned", `output '${name}' was built and not signed`);
    }
    return { name, facts: { ...found, signatures: [signature] } };
  });
}

async function uploadOutputs(
  paths: readonly string[],
  job: Job,
  tools: BuildTools,
): Promise<PathFacts[]> {
  const facts = await Promise.all(paths.map((path) => factsOfOutput(path, tools)));
  for (const { narSize } of facts) job.account.addOutput(narSize);
  await tools.transfers.uploadNars(facts, job);
  return facts;
}

async function factsOfOutput(path: string, { store }: BuildTools): Promise<PathFacts> {
  const facts = await store.pathFacts(path);
  if (facts !== null) return facts;
  throw new WorkerError("output-lost", `${path} was built and is not in the store`, {
    isTransient: true,
  });
}

function internalError(message: string): Verdict {
  return { outcome: "internal_error", message, isGuess: false };
}

function verdictOfError(error: unknown): Verdict {
  const { message, isInterruption } = failureOf(error);
  if (error instanceof JobEndedError && error.code === "cancel") {
    return { outcome: "cancelled", message, isGuess: false };
  }
  if (error instanceof WorkerError && error.code === "unsupported-derivation") {
    return { outcome: "client_error", message, isGuess: false };
  }
  return { ...internalError(message), isInterruption };
}
