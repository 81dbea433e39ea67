import { join } from "node:path";
import type { FastifyPluginAsync } from "fastify";
import { systemClock, type Clock } from "./clock.ts";
import type { BucketLocation } from "./config/object-store.ts";
import type { RetryPolicy } from "./builds/verdict.ts";
import { PromisedPaths } from "./collection/promised-paths.ts";
import {
  deleteLeasesOfKind,
  deleteOffersAhead,
  extendLeases,
  findAllLeases,
} from "./db/assignment-repository.ts";
import { prepareAttemptReads, setLogBytes } from "./db/attempt-repository.ts";
import { findReadyBuilds } from "./db/ready-build-repository.ts";
import type { Database } from "./db/client.ts";
import { connectParts, type FarmParts, type Memory } from "./farm-parts.ts";
import type { Logger } from "./logger.ts";
import type { NarIntake } from "./intake/nar-intake.ts";
import { LogFiles } from "./logs/log-files.ts";
import type {
  CacheSigner,
  CacheUpkeep,
  Evaluations,
  FarmFigures,
  Logs,
  Repositories,
  Sources,
  QueueReads,
  WorkerLink,
} from "./ports.ts";
import { AheadOffers } from "./queue/ahead-offers.ts";
import { EndedAttempts } from "./queue/ended-attempts.ts";
import { Draining } from "./queue/draining.ts";
import { EvaluationTasks } from "./queue/evaluation-tasks.ts";
import { LeaseBook } from "./queue/lease-book.ts";
import { LocalInputs } from "./queue/local-inputs.ts";
import type { FindCredentials } from "./queue/offer.ts";
import type { RestorationParts } from "./restoring/restoration.ts";
import { missingMemory } from "./scheduler/choose-worker.ts";
import { ReadyQueue } from "./scheduler/ready-queue.ts";
import { membersOf } from "./queue/fleet.ts";
import { SigningTasks } from "./queue/signing-tasks.ts";
import { Roster } from "./sessions/roster.ts";
import { openNars } from "./storage/open-nars.ts";
import type { NarStorage } from "./storage/nar-storage.ts";
import { SourceFiles } from "./storage/source-files.ts";
import { StagedFiles } from "./storage/staged-files.ts";

/** How long things may take. All of them milliseconds. */
export interface FarmTimes {
  /** From an offer to its acceptance. */
  readonly offerMs: number;
  readonly handshakeMs: number;
  readonly pingMs: number;
  readonly sweepMs: number;
  /** A worker that declined an offer gets no other for so long; twice as long each time in a row, up to `declineMemoryMs`. */
  readonly declinePauseMs: number;
  /** A worker that declined a build does not get the same one for so long. */
  readonly declineMemoryMs: number;
  /** A worker that is gone for a shorter time parks no evaluation. */
  readonly waitingGraceMs: number;
  /** A client whose builds end with it may be gone for so long. */
  readonly desertedMs: number;
  /** For a worker to say which commit a reference is. */
  readonly headMs: number;
  /** For workers to come back after a start, before what is lost is asked of those that have. */
  readonly workersBackMs: number;
}

const DEFAULT_TIMES: FarmTimes = {
  offerMs: 30_000,
  handshakeMs: 15_000,
  pingMs: 20_000,
  sweepMs: 1000,
  declinePauseMs: 1000,
  declineMemoryMs: 60_000,
  waitingGraceMs: 3000,
  desertedMs: 15_000,
  headMs: 20_000,
  workersBackMs: 60_000,
};

export interface FarmOptions {
  readonly database: Database;
  readonly dataDir: string;
  /** Where NARs are kept in place of the data directory. */
  readonly objectStore?: BucketLocation | null;
  readonly signer: CacheSigner;
  /** How long an assignment belongs to a worker that is not heard of. Longer than a deployment. */
  readonly leaseMs: number;
  readonly logger: Logger;
  /** Secrets for fetches of private repositories. */
  readonly findCredentials?: FindCredentials;
  readonly clock?: Clock;
  readonly times?: Partial<FarmTimes>;
  readonly retries?: RetryPolicy;
  /** What the NARs of all caches may take; 0, or nothing, for no limit. */
  readonly maxStorageBytes?: number;
}

/** Queue, worker link, intake and logs of one coordinator. */
export interface Farm extends AsyncDisposable {
  readonly evaluations: Evaluations;
  /** Looks whether evaluations that wait can go on: there may be room now. */
  readonly reviewWaiting: () => Promise<void>;
  /** Gives out nothing new, so that the coordinator can be stopped; or does so again. Resolves when evaluations wait, or go on. */
  readonly setDraining: (isOn: boolean) => Promise<void>;
  readonly workers: WorkerLink;
  readonly queue: QueueReads;
  readonly repositories: Repositories;
  readonly logs: Logs;
  readonly nars: NarStorage;
  /** Where NARs come in, from workers and from users. */
  readonly intake: NarIntake;
  /** How what is lost is brought back from workers. */
  readonly restoring: RestorationParts;
  /** What workers and evaluations rely on. */
  readonly promised: PromisedPaths;
  readonly sources: Sources;
  readonly upkeep: CacheUpkeep;
  figures(): FarmFigures;
  readonly sourceFiles: SourceFiles;
  /** Files that users send to caches in chunks, by cache. */
  readonly cacheUploads: StagedFiles;
  /** To be registered with the prefix `/proto`. */
  readonly transferRoutes: FastifyPluginAsync;
}

/** Opens the farm over a database that nobody else writes to, with the queue as the last run left it. */
export async function openFarm(options: FarmOptions): Promise<Farm> {
  const { database, dataDir, logger, clock = systemClock } = options;
  const times = timesOf(options);
  const memory = emptyMemory();
  await restore(memory, options, times, clock);
  const attempts = prepareAttemptReads(database);
  const logs = await LogFiles.open({
    dataDir,
    logger,
    attempts: {
      ...attempts,
      recordSize: (attempt, bytes) =>
        database.transaction(({ kysely }) => setLogBytes(kysely, attempt, bytes)),
    },
  });
  const files = await openNars(options);
  const sourceFiles = await SourceFiles.open(dataDir);
  const cacheUploads = await StagedFiles.open(join(dataDir, "uploads"));
  const promised = new PromisedPaths(clock);
  const stores = { logs, files, sourceFiles, cacheUploads };
  const parts = connectParts({ options, clock, times, memory, ...stores, promised });
  parts.dispatcher.wake();
  parts.review.soon();
  parts.backlog.wake();
  return {
    evaluations: parts.evaluations,
    reviewWaiting: () => parts.review.now(),
    setDraining: (isOn) => setDraining(memory, parts, isOn),
    workers: parts.sessions,
    queue: queueReads(memory),
    repositories: parts.repositories,
    logs,
    nars: files,
    intake: parts.intake,
    restoring: parts.restoring,
    promised,
    sources: parts.sources,
    figures: () => figuresOf(memory, parts),
    upkeep: { keysChanged: () => parts.backlog.wake() },
    sourceFiles,
    cacheUploads,
    transferRoutes: parts.routes,
    [Symbol.asyncDispose]: async () => {
      parts.review[Symbol.dispose]();
      await parts.backlog[Symbol.asyncDispose]();
      await parts.sweep[Symbol.asyncDispose]();
      await parts.sessions[Symbol.asyncDispose]();
      await parts.dispatcher[Symbol.asyncDispose]();
      await parts.background[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
}

function emptyMemory(): Memory {
  return {
    queue: new ReadyQueue(),
    tasks: new EvaluationTasks(),
    signing: new SigningTasks(),
    leases: new LeaseBook(),
    local: new LocalInputs(),
    ahead: new AheadOffers(),
    ended: new EndedAttempts(),
    roster: new Roster(),
    draining: new Draining(),
  };
}

async function setDraining(
  { draining }: Memory,
  { review, dispatcher }: FarmParts,
  isOn: boolean,
): Promise<void> {
  draining.isOn = isOn;
  await review.now();
  dispatcher.wake();
}

function figuresOf({ queue, tasks, leases, ended }: Memory, parts: FarmParts): FarmFigures {
  const workers = parts.sessions.live();
  return {
    workers: workers.length,
    drainingWorkers: workers.filter(({ isDraining }) => isDraining).length,
    waiting: { ...tasks.countByKind(), build: queue.size },
    assignments: leases.countByKind(),
    endedAttempts: ended.counts,
  };
}

function queueReads({ queue, roster, leases }: Memory): QueueReads {
  return {
    missingMemory: (attempt) => {
      const build = queue.find(attempt);
      const seats = membersOf(roster, leases).map(({ seat }) => seat);
      return build === null ? null : missingMemory(build, seats);
    },
  };
}

/** However short leases are, a worker that answers keeps them. */
function timesOf({ leaseMs, times }: FarmOptions): FarmTimes {
  const all = { ...DEFAULT_TIMES, ...times };
  return { ...all, pingMs: Math.min(all.pingMs, leaseMs / 4) };
}

/** Brings the memory to what the database says. Nobody loses a lease for the time in which there was no coordinator. */
async function restore(
  memory: Memory,
  options: FarmOptions,
  times: FarmTimes,
  clock: Clock,
): Promise<void> {
  const { kysely } = options.database;
  const now = clock.now();
  await extendLeases(kysely, "accepted", now + options.leaseMs);
  await extendLeases(kysely, "offered", now + 2 * times.offerMs);
  // Who asked for it, or knew what it waits for, has gone with the process.
  await deleteLeasesOfKind(kysely, "restore");
  await deleteOffersAhead(kysely);
  const offered = new Set<number>();
  for (const lease of await findAllLeases(kysely)) {
    memory.leases.put(lease);
    if (lease.attempt !== null) offered.add(lease.attempt);
  }
  for (const build of await findReadyBuilds(kysely)) {
    if (!offered.has(build.attempt)) memory.queue.add(build);
  }
  await memory.tasks.noteAll(kysely);
  await memory.signing.noteAll(kysely);
}
