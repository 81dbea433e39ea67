import { rm } from "node:fs/promises";
import type { AssignmentId, AssignmentResult, Offer } from "@gradient/protocol";
import { NarPool } from "./compress/nar-pool.ts";
import type { PeersSource } from "./identity/peers-source.ts";
import { Assignments } from "./jobs/assignments.ts";
import { nameOfBuild } from "./jobs/build/resume.ts";
import { runBuild, type BuildTools } from "./jobs/build/run.ts";
import { OutputIndex } from "./jobs/derivations.ts";
import { runEval, type EvalTools } from "./jobs/eval/run.ts";
import type { FetchRules } from "./jobs/fetch/access.ts";
import { Heads } from "./jobs/fetch/heads.ts";
import { Repositories } from "./jobs/fetch/repositories.ts";
import { runFetch, type FetchTools } from "./jobs/fetch/run.ts";
import { laneOf } from "./jobs/admission.ts";
import { Imports } from "./jobs/imports.ts";
import type { Job } from "./jobs/job.ts";
import { runRestore } from "./jobs/restore/run.ts";
import { runSign } from "./jobs/sign/run.ts";
import type { Journal } from "./journal/journal.ts";
import { Lane } from "./lane.ts";
import { Link, type WorkerFacts } from "./link.ts";
import type { Logger } from "./logger.ts";
import type { Evaluator, LastingBuilder, NixStore, Signer, UsageMeters } from "./ports.ts";
import { Feed } from "./session/feed.ts";
import { Session, type SessionTimings } from "./session/session.ts";
import { StatusBoard } from "./status/board.ts";
import type { StatusSource } from "./status/server.ts";
import { UsageReports } from "./status/usage-reports.ts";
import { TransferAccess } from "./transfer/access.ts";
import { TransferClient, type TransferTimings } from "./transfer/client.ts";
import { DirectUploads } from "./transfer/direct-uploads.ts";
import { Transfers } from "./transfer/transfers.ts";

/** Time for builds to end once they are told to, and for results to be acknowledged before the process goes. */
const END_MS = 10_000;
const LAST_RESULTS_MS = 5000;

export interface DaemonParts {
  readonly server: URL;
  readonly peers: PeersSource;
  readonly journal: Journal;
  readonly facts: WorkerFacts;
  readonly store: NixStore;
  readonly signer: Signer;
  readonly meters: UsageMeters;
  readonly evaluator: Evaluator;
  readonly builder: LastingBuilder;
  /** Bare clones, kept. */
  readonly repositoriesDirectory: string;
  readonly fetchRules: FetchRules;
  /** Emptied at every start. */
  readonly scratchDirectory: string;
  /** For git; only what it needs is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly compressionThreads: number;
  readonly evalTimeoutMs: number;
  readonly shutdownGraceMs: number;
  /** Lets others ask how the worker is, until it is disposed of. */
  readonly openStatus: (source: StatusSource) => Promise<AsyncDisposable>;
  readonly timings: { readonly session: SessionTimings; readonly transfer: TransferTimings };
  readonly now: () => number;
  readonly logger: Logger;
  /** Take nothing new, let what runs finish however long it takes, deliver every result, then go. */
  readonly drain: AbortSignal;
  /** Take nothing new, let what runs finish within the grace, then go. */
  readonly stop: AbortSignal;
  /** The grace is over. */
  readonly hurry: AbortSignal;
  /** Go at once, and leave the builds to the process that comes next. */
  readonly leave: AbortSignal;
}

/** Serves the coordinator. Resolves when the worker was drained or told to stop and nothing of it runs any more. */
export async function serve(parts: DaemonParts): Promise<void> {
  const { journal, logger, now } = parts;
  await removeLeftovers(parts);
  const access = new TransferAccess();
  const client = new TransferClient({
    server: parts.server,
    access,
    timings: parts.timings.transfer,
    logger,
  });
  const pool = new NarPool(parts.compressionThreads);
  const feed = new Feed({ journal, now, logger });
  using board = new StatusBoard({
    facts: parts.facts,
    server: parts.server,
    journal,
    isDraining: () => assignments.isDraining,
    now,
  });
  const assignments: Assignments = new Assignments({
    journal,
    machine: {
      capabilities: parts.facts.capabilities,
      systems: new Set(parts.facts.systems),
      systemFeatures: new Set(parts.facts.systemFeatures),
      maxConcurrentBuilds: parts.facts.maxConcurrentBuilds,
    },
    run: board.watchRuns(jobRunner(parts, { client, pool, board })),
    release: (assignment) => release(parts, assignment),
    send: (message) => session.send(message),
    now,
    logger,
  });
  const link = new Link({
    facts: parts.facts,
    assignments,
    feed,
    access,
    heads: new Heads({ ...parts, send: (answer) => session.send(answer) }),
    logger,
  });
  const session = new Session({
    server: parts.server,
    peers: parts.peers,
    handler: board.watchSession(link),
    timings: parts.timings.session,
    logger,
  });
  journal.onChange(() => session.wake());
  using _reports = new UsageReports({
    builds: () => board.measuredBuilds(),
    report: (figures) => assignments.reportUsage(figures),
  });
  try {
    await serveToTheEnd(parts, { assignments, session, board, pool });
  } finally {
    await client[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
  }
}

async function serveToTheEnd(
  parts: DaemonParts,
  own: { assignments: Assignments; session: Session; board: StatusBoard; pool: NarPool },
): Promise<void> {
  // Open until the very end: who waits for the worker to be drained is told when it is.
  await using _status = await parts.openStatus(own.board);
  // Only now: what is begun by a daemon that does not start after all would be lost.
  goOn(parts, own.assignments);
  prepare(parts, own.pool);
  const disconnect = new AbortController();
  const connected = own.session.run(disconnect.signal);
  try {
    await Promise.race([connected, untilDone(parts, own), fired(parts.leave)]);
    if (parts.leave.aborted) await leave(parts, own.assignments);
    else await parts.builder[Symbol.asyncDispose]();
  } finally {
    disconnect.abort();
    await connected;
  }
}

/** Takes up what an earlier process left unfinished. */
function goOn({ journal, builder }: DaemonParts, assignments: Assignments): void {
  for (const entry of journal.entries()) if (entry.result === null) assignments.resume(entry);
  builder.endUnclaimed();
}

/** Everything that is not a build ends with this process; nothing is told of it, as the next one does. */
async function leave({ builder, logger }: DaemonParts, assignments: Assignments): Promise<void> {
  logger.info("leaving: builds go on, and wait for the next process");
  builder.leave();
  assignments.leave("the worker was replaced while it ran");
  await settled(assignments.quiet(AbortSignal.timeout(END_MS), { everything: false }));
}

/** Waits for the end of service and brings what runs to an end. */
async function untilDone(
  parts: DaemonParts,
  { assignments, session }: { assignments: Assignments; session: Session },
): Promise<void> {
  const { logger, drain, stop, hurry } = parts;
  await fired(AbortSignal.any([stop, drain]));
  assignments.drain();
  if (!stop.aborted) {
    logger.info("draining: what runs is finished, nothing new is taken");
    const isQuiet = await settled(assignments.quiet(stop, { everything: true }));
    if (isQuiet) return;
  }
  const grace = AbortSignal.any([hurry, AbortSignal.timeout(parts.shutdownGraceMs)]);
  if (!(await settled(assignments.quiet(grace, { everything: false })))) {
    logger.warn("running jobs are ended");
    assignments.endAll("the worker was stopped while it ran");
    await settled(assignments.quiet(AbortSignal.timeout(END_MS), { everything: false }));
  }
  // Results that nobody takes now are sent after the next start.
  if (!session.isAccepted) return;
  await settled(assignments.quiet(AbortSignal.timeout(LAST_RESULTS_MS), { everything: true }));
}

/** Of what an earlier process ran, only what goes on keeps its roots. */
async function removeLeftovers({ scratchDirectory, store, journal }: DaemonParts): Promise<void> {
  await rm(scratchDirectory, { recursive: true, force: true });
  const goingOn = new Set<string>(
    journal.entries().flatMap(({ result, record }) => (result === null ? [record.assignment] : [])),
  );
  for (const owner of await store.rootOwners()) {
    if (!goingOn.has(owner)) await store.removeRoots(owner);
  }
}

async function release(
  { store, builder, logger }: DaemonParts,
  owner: AssignmentId,
): Promise<void> {
  builder.disown(nameOfBuild(owner));
  await store.removeRoots(owner).catch((error: unknown) => {
    logger.warn({ owner, error }, "roots of a finished assignment cannot be removed");
  });
}

type Tools = BuildTools & EvalTools & FetchTools;

interface OwnParts {
  readonly client: TransferClient;
  readonly pool: NarPool;
  readonly board: StatusBoard;
}

function toolsOf(parts: DaemonParts, own: OwnParts): Tools {
  const { store, signer, now, scratchDirectory, evalTimeoutMs, logger } = parts;
  const { board, client, pool } = own;
  const direct = new DirectUploads({ client, directory: scratchDirectory, now, logger });
  const transfers = new Transfers({ client, store, pool, direct });
  return {
    store,
    signer,
    meters: board.watchMeters(parts.meters),
    evaluator: board.watchEvaluations(parts.evaluator),
    now,
    scratchDirectory,
    evalTimeoutMs,
    transfers,
    imports: new Imports(store, transfers),
    outputIndex: new OutputIndex(store),
    builder: board.watchBuilds(parts.builder),
    repositories: new Repositories({
      directory: parts.repositoriesDirectory,
      rules: parts.fetchRules,
      environment: parts.environment,
    }),
  };
}

/** What the first job would wait for, or slow down by starting it. An idle daemon of Nix takes 3 MB. */
function prepare({ facts, store, evaluator, builder }: DaemonParts, pool: NarPool): void {
  const { capabilities } = facts;
  store.prepare();
  pool.prepare();
  if (capabilities.eval) evaluator.prepare();
  if (capabilities.build) builder.prepare();
}

/** Runs each kind in its lane. Builds have their slots, which they hold only while they build. */
function jobRunner(
  parts: DaemonParts,
  own: OwnParts,
): (spec: Offer["spec"], job: Job) => Promise<AssignmentResult> {
  const tools = toolsOf(parts, own);
  const fetches = new Lane(laneOf("fetch", { maxConcurrentBuilds: 0 }));
  const evaluations = new Lane(laneOf("eval", { maxConcurrentBuilds: 0 }));
  const restorations = new Lane(laneOf("restore", { maxConcurrentBuilds: 0 }));
  return (spec, job) => {
    switch (spec.kind) {
      case "fetch":
        return fetches.run(job.signal, () => runFetch(spec, job, tools));
      case "eval":
        return evaluations.run(job.signal, () => runEval(spec, job, tools));
      case "build":
        return runBuild(spec, job, tools);
      case "sign":
        return runSign(spec, job, tools);
      case "restore":
        return restorations.run(job.signal, () => runRestore(spec, job, tools));
    }
  };
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function settled(work: Promise<void>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
