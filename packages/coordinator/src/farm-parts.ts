import type { Fencing } from "@gradient/protocol";
import type { FastifyPluginAsync } from "fastify";
import type { Clock } from "./clock.ts";
import { DEFAULT_RETRY_POLICY } from "./builds/verdict.ts";
import type { Lease } from "./db/assignment-repository.ts";
import { prepareBuildReads } from "./db/build-reads.ts";
import { hashPartOf, prepareCachedPathReads } from "./db/cache-path-repository.ts";
import { prepareDerivationReads } from "./db/derivation-repository.ts";
import { prepareFindNarObject } from "./db/nar-object-repository.ts";
import { prepareHasUploaded } from "./db/nar-possession-repository.ts";
import { RestoreView } from "./db/restore-view.ts";
import { fillCaches } from "./caches/fill-cache.ts";
import { sweepKeys } from "./caches/sweep-keys.ts";
import type { PromisedPaths } from "./collection/promised-paths.ts";
import { ActiveEvaluations } from "./evaluations/active-evaluations.ts";
import { Attendance } from "./evaluations/attendance.ts";
import { endDeserted } from "./evaluations/end-deserted.ts";
import { availabilityInCaches } from "./evaluations/availability.ts";
import { failEvaluation, settleEvaluations } from "./evaluations/end-evaluation.ts";
import { OldEvaluations } from "./evaluations/old-evaluations.ts";
import { measureHeights } from "./evaluations/measure-heights.ts";
import { WaitingReview } from "./evaluations/waiting-review.ts";
import type { FarmOptions, FarmTimes } from "./farm.ts";
import { transferRoutes } from "./http/routes/proto/transfer-routes.ts";
import { announcedClosureFinder } from "./intake/announced-closure.ts";
import { DirectUploads } from "./intake/direct-uploads.ts";
import { NarIntake } from "./intake/nar-intake.ts";
import { publicationPlanner } from "./intake/publication.ts";
import { grantTransfer } from "./intake/transfer-access.ts";
import type { Possesses } from "./intake/verify-path.ts";
import type { LogFiles } from "./logs/log-files.ts";
import type { Sources } from "./ports.ts";
import { Backlog } from "./queue/backlog.ts";
import { Bell } from "./queue/bell.ts";
import { Background } from "./queue/background.ts";
import { changesOf, type Changes } from "./queue/change.ts";
import { Dispatcher } from "./queue/dispatcher.ts";
import type { EndedAttempts } from "./queue/ended-attempts.ts";
import type { Draining } from "./queue/draining.ts";
import type { EvaluationTasks } from "./queue/evaluation-tasks.ts";
import type { LeaseBook } from "./queue/lease-book.ts";
import type { LocalInputs } from "./queue/local-inputs.ts";
import type { AheadOffers } from "./queue/ahead-offers.ts";
import { withdrawOffer } from "./queue/lose-lease.ts";
import type { SigningTasks } from "./queue/signing-tasks.ts";
import { Sweep } from "./queue/sweep.ts";
import { largestMemory } from "./queue/fleet.ts";
import { tellNews } from "./queue/tell-news.ts";
import type { ReadyQueue } from "./scheduler/ready-queue.ts";
import type { RestorationParts } from "./restoring/restoration.ts";
import { WorkerQuestions } from "./restoring/worker-questions.ts";
import { HeadQuestions } from "./sessions/head-questions.ts";
import { MessageHandler } from "./sessions/message-handler.ts";
import type { Roster } from "./sessions/roster.ts";
import { WorkerSessions } from "./sessions/worker-sessions.ts";
import { StoredSources } from "./sources/stored-sources.ts";
import { cleanSources } from "./sources/clean-sources.ts";
import { listForNewKey } from "./signing/list-for-new-key.ts";
import type { NarStorage } from "./storage/nar-storage.ts";
import type { SourceFiles } from "./storage/source-files.ts";
import type { StagedFiles } from "./storage/staged-files.ts";

/** What is kept in memory: all of it can be made again from the database. */
export interface Memory {
  readonly queue: ReadyQueue;
  readonly tasks: EvaluationTasks;
  readonly signing: SigningTasks;
  readonly leases: LeaseBook;
  readonly local: LocalInputs;
  readonly ahead: AheadOffers;
  readonly ended: EndedAttempts;
  readonly roster: Roster;
  readonly draining: Draining;
}

/** What the parts are made from. */
export interface Ground {
  readonly options: FarmOptions;
  readonly clock: Clock;
  readonly times: FarmTimes;
  readonly memory: Memory;
  readonly logs: LogFiles;
  readonly files: NarStorage;
  readonly sourceFiles: SourceFiles;
  readonly cacheUploads: StagedFiles;
  readonly promised: PromisedPaths;
}

export interface FarmParts {
  readonly evaluations: ActiveEvaluations;
  readonly sources: Sources;
  readonly sessions: WorkerSessions;
  readonly dispatcher: Dispatcher;
  readonly sweep: Sweep;
  readonly review: WaitingReview;
  readonly background: Background;
  readonly backlog: Backlog;
  readonly repositories: HeadQuestions;
  readonly routes: FastifyPluginAsync;
  readonly intake: NarIntake;
  readonly restoring: RestorationParts;
}

/** Hot reads over the database, prepared once. */
type Reads = ReturnType<typeof prepareReads>;

function prepareReads({ options: { database }, promised }: Ground) {
  const derivations = prepareDerivationReads(database);
  return {
    derivations,
    builds: prepareBuildReads(database),
    cachedPaths: prepareCachedPathReads(database),
    findNarObject: prepareFindNarObject(database),
    hasUploaded: prepareHasUploaded(database),
    decideAvailability: availabilityInCaches(derivations, promised),
  };
}

/** Makes all parts and connects them: every transaction tells its news to those whom it concerns. */
export function connectParts(ground: Ground): FarmParts {
  const { options, clock, memory, logs } = ground;
  const { database, logger } = options;
  const { roster: fleet, draining } = memory;
  const reads = prepareReads(ground);
  const background = new Background(logger);
  const builds = new Bell();
  const changes = changesOf({
    database,
    clock,
    settle: settleEvaluations,
    tell: (news) => tellNews({ ...memory, fleet, ...listeners }, news),
  });
  const review = connectReview(ground, changes, background);
  const dispatcher = connectDispatcher(ground, reads, changes);
  const intake = connectIntake(ground, reads, { changes, builds });
  const heads = connectHeads(ground, changes);
  const questions = connectQuestions(ground, changes);
  const common = { changes, dispatcher, background, heads, questions };
  const handler = connectHandler(ground, reads, { ...common, intake });
  const old = new OldEvaluations({ kysely: database.kysely, changes: changes.relaxed });
  const backlog = connectBacklog(ground, reads, { changes, intake, old });
  const attendance = new Attendance(clock);
  const swept = { ...common, handler, intake, old, backlog, attendance };
  const sessions = connectSessions(ground, { ...common, review, handler, backlog });
  const listeners = {
    wake: () => dispatcher.wake(),
    review: () => review.soon(),
    leaseReleased: (fencing: Fencing) => questions.released(fencing),
    withdraw: (lease: Lease) =>
      background.run("offer that was made ahead", () =>
        changes.relaxed((change) => withdrawOffer(change, lease)),
      ),
    logEnded: (attempt: number) => logs.finish(attempt),
    buildsMoved: () => {
      builds.ring();
      handler.takeHeldResults();
      // What still ran when it began may have ended now.
      if (draining.isOn) review.soon();
    },
  };
  return {
    sources: connectSources(reads, intake, changes, review),
    evaluations: new ActiveEvaluations({
      changes,
      review,
      attendance,
      fillCaches: () => backlog.wake(),
    }),
    sessions,
    dispatcher,
    sweep: connectSweep(ground, swept),
    review,
    background,
    backlog,
    repositories: heads,
    routes: intake.routes,
    intake: intake.nars,
    restoring: restoringOf(ground, questions, intake.nars),
  };
}

function restoringOf(
  { options: { database }, clock, times, memory }: Ground,
  questions: WorkerQuestions,
  intake: NarIntake,
): RestorationParts {
  return {
    view: new RestoreView(database),
    fleet: memory.roster,
    questions,
    intake,
    clock,
    flushed: () => database.flushed(),
    openedAt: clock.now(),
    workersBackMs: times.workersBackMs,
  };
}

function connectReview(
  { options, clock, times, memory }: Ground,
  changes: Changes,
  background: Background,
): WaitingReview {
  const { leases, queue, roster, draining } = memory;
  return new WaitingReview({
    draining,
    changes: changes.durable,
    clock,
    background,
    fleet: roster,
    leases,
    queue,
    graceMs: times.waitingGraceMs,
    maxStorageBytes: options.maxStorageBytes ?? 0,
  });
}

function connectQuestions({ options, clock, times, memory }: Ground, changes: Changes) {
  return new WorkerQuestions({
    changes: changes.relaxed,
    clock,
    fleet: memory.roster,
    leaseMs: options.leaseMs,
    offerMs: times.offerMs,
    awayMs: times.workersBackMs / 2,
  });
}

function connectSources(
  { cachedPaths }: Reads,
  { nars, publications }: ReturnType<typeof connectIntake>,
  changes: Changes,
  review: WaitingReview,
): StoredSources {
  return new StoredSources({
    nars,
    publications,
    changes: changes.durable,
    isVisible: (organization, base) =>
      cachedPaths.ofOrganization(organization, hashPartOf(base))?.path === base,
    review: (organization) => review.now(organization),
  });
}

function connectHeads({ options, clock, times, memory }: Ground, changes: Changes): HeadQuestions {
  return new HeadQuestions({
    roster: memory.roster,
    changes: changes.durable,
    clock,
    findCredentials: options.findCredentials ?? (() => Promise.resolve(null)),
    deadlineMs: times.headMs,
  });
}

function connectDispatcher(ground: Ground, reads: Reads, changes: Changes): Dispatcher {
  const { options, clock, times, memory } = ground;
  const { database, logger, leaseMs } = options;
  const { queue, tasks, signing, leases, local, roster, draining } = memory;
  return new Dispatcher({
    draining,
    kysely: database.kysely,
    changes: changes.relaxed,
    clock,
    logger,
    queue,
    tasks,
    signing,
    leases,
    local,
    fleet: roster,
    builds: reads.builds,
    findCredentials: options.findCredentials ?? (() => Promise.resolve(null)),
    refuseTask: ({ evaluation }, reason) =>
      changes.durable((change) => failEvaluation(change, evaluation, reason)),
    leaseMs,
    offerMs: times.offerMs,
  });
}

function connectIntake(
  ground: Ground,
  reads: Reads,
  { changes, builds }: { changes: Changes; builds: Bell },
) {
  const { options, clock, memory, files } = ground;
  const { database } = options;
  const { kysely } = database;
  const { cachedPaths, findNarObject } = reads;
  const { hasUploaded } = reads;
  const possesses: Possesses = (organization, narHash) =>
    hasUploaded(organization, narHash) || cachedPaths.isNarVisible(organization, narHash);
  const evidence = { files, findNarObject, possesses };
  const publications = publicationPlanner({ kysely, cachedPaths, signer: options.signer });
  const nars = new NarIntake({ database, files, findNarObject, possesses, clock });
  const { logger } = options;
  const direct = new DirectUploads({ staging: files.staging, nars, clock, logger });
  const routes = transferRoutes({
    kysely,
    files,
    nars,
    direct,
    findNarObject,
    findClosure: announcedClosureFinder({ cachedPaths, builds: reads.builds, moved: builds }),
    cachedPaths,
    evidence,
    promised: ground.promised,
    publications,
    changes: changes.durable,
    grant: (headers) => grantTransfer(memory.roster, memory.leases, headers),
  });
  return { evidence, publications, routes, nars };
}

/** Its steps remember how far they came, and are repeated when the disk forgot the last of them. */
function connectBacklog(
  ground: Ground,
  { cachedPaths }: Reads,
  parts: { changes: Changes; intake: ReturnType<typeof connectIntake>; old: OldEvaluations },
): Backlog {
  const { changes, intake, old } = parts;
  const { options, clock } = ground;
  const { kysely } = options.database;
  const { signer } = options;
  const { publications } = intake;
  return new Backlog({
    clock,
    logger: options.logger,
    steps: [
      () => fillCaches({ kysely, cachedPaths, publications, changes: changes.relaxed }),
      () => listForNewKey({ kysely, changes: changes.relaxed }),
      () => sweepKeys({ signer, changes: changes.relaxed }),
      () => old.step(),
    ],
  });
}

function connectHandler(
  ground: Ground,
  reads: Reads,
  parts: {
    changes: Changes;
    dispatcher: Dispatcher;
    background: Background;
    heads: HeadQuestions;
    questions: WorkerQuestions;
    intake: ReturnType<typeof connectIntake>;
  },
): MessageHandler {
  const { options, clock, times, memory, logs } = ground;
  const { changes, dispatcher, background, heads, questions, intake } = parts;
  const { kysely } = options.database;
  const { derivations, cachedPaths } = reads;
  const retries = options.retries ?? DEFAULT_RETRY_POLICY;
  return new MessageHandler({
    kysely,
    changes,
    clock,
    leases: memory.leases,
    local: memory.local,
    ahead: memory.ahead,
    draining: memory.draining,
    heads,
    questions,
    queue: memory.queue,
    logs,
    plans: reads,
    cachedPaths,
    retries,
    builds: {
      kysely,
      changes: changes.relaxed,
      retries,
      plans: reads,
      publications: intake.publications,
      largestMemory: (group) => largestMemory(memory.roster, memory.leases, group),
      evidence: { ...intake.evidence, derivations, cachedPaths },
    },
    leaseMs: options.leaseMs,
    flushed: () => options.database.flushed(),
    background,
    logger: options.logger,
    declinePauseMs: times.declinePauseMs,
    declineMemoryMs: times.declineMemoryMs,
    wake: () => dispatcher.wake(),
    onEvaluated: (evaluationId) => {
      background.run("critical path", () =>
        measureHeights({ kysely, derivations, changes: changes.relaxed }, evaluationId),
      );
    },
  });
}

function connectSessions(
  ground: Ground,
  parts: {
    changes: Changes;
    dispatcher: Dispatcher;
    review: WaitingReview;
    background: Background;
    heads: HeadQuestions;
    questions: WorkerQuestions;
    handler: MessageHandler;
    backlog: Backlog;
  },
): WorkerSessions {
  const { options, clock, times, memory } = ground;
  const { database, logger, leaseMs } = options;
  const { changes, dispatcher, review, background, heads, questions, handler, backlog } = parts;
  const retries = options.retries ?? DEFAULT_RETRY_POLICY;
  const { leases, roster, ahead } = memory;
  return new WorkerSessions({
    database,
    clock,
    logger,
    roster,
    leases,
    handler,
    heads,
    reconcile: {
      kysely: database.kysely,
      changes: changes.durable,
      leases,
      ahead,
      leaseMs,
      retries,
    },
    leaseMs,
    handshakeMs: times.handshakeMs,
    pingMs: times.pingMs,
    onFleetChanged: (change) => {
      dispatcher.wake();
      questions.fleetChanged();
      if (change === "less") review.soon();
      else background.run("review of waiting evaluations", () => review.now());
    },
    onKeyChanged: () => backlog.wake(),
  });
}

function connectSweep(
  ground: Ground,
  parts: {
    changes: Changes;
    dispatcher: Dispatcher;
    handler: MessageHandler;
    intake: ReturnType<typeof connectIntake>;
    old: OldEvaluations;
    backlog: Backlog;
    attendance: Attendance;
  },
): Sweep {
  const { options, clock, times, memory } = ground;
  const { changes, dispatcher, handler, intake, old, backlog, attendance } = parts;
  const { kysely } = options.database;
  return new Sweep({
    kysely: options.database.kysely,
    // What it finds it would find again.
    changes: changes.relaxed,
    clock,
    logger: options.logger,
    retries: options.retries ?? DEFAULT_RETRY_POLICY,
    leaseMs: options.leaseMs,
    offerMs: times.offerMs,
    intervalMs: times.sweepMs,
    removeStaged: async (before) => {
      await ground.files.removeStaged(before);
      await ground.cacheUploads.removeBefore(before);
      await intake.nars.removals.removeHidden(before);
    },
    cleanSources: (now) => cleanSources(options.database.kysely, ground.sourceFiles, now),
    forgetOld: () => {
      old.begin();
      backlog.wake();
    },
    endDeserted: (now) =>
      endDeserted({ kysely, changes: changes.durable, attendance, graceMs: times.desertedMs }, now),
    onUnanswered: (lease) => handler.unanswered(memory.roster.find(lease.worker), lease),
    wake: () => dispatcher.wake(),
  });
}
