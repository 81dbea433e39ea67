import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { WorkerId } from "@gradient/protocol";
import { RunnerBuilder } from "./builder/runner-builder.ts";
import type { WorkerConfig } from "./config/load.ts";
import { describeMachine, type Machine } from "./config/machine.ts";
import { readRelease } from "./config/release.ts";
import { serve } from "./daemon.ts";
import { reasonOf } from "./error-facts.ts";
import { UserError } from "./errors.ts";
import { openInlinePeers, openPeersFile, type PeersSource } from "./identity/peers-source.ts";
import type { FetchRules } from "./jobs/fetch/access.ts";
import { loadSigningKey, type SigningKey } from "./identity/signing-key.ts";
import { loadWorkerId } from "./identity/worker-id.ts";
import { lockStateDirectory } from "./identity/state-lock.ts";
import { mayResume } from "./jobs/build/resume.ts";
import { Journal } from "./journal/journal.ts";
import type { WorkerFacts } from "./link.ts";
import type { Logger } from "./logger.ts";
import { evaluatorSize, openEvaluator } from "./nix/evaluate.ts";
import { findNix, type NixInstallation } from "./nix/installation.ts";
import { NixVersion } from "./nix/nix-version.ts";
import { NixSigner } from "./nix/sign.ts";
import { openNixStore } from "./nix/store.ts";
import type { Evaluator, LastingBuilder, NixStore, Signer } from "./ports.ts";
import { SESSION_TIMINGS } from "./session/session.ts";
import { StatusServer, type StatusSource } from "./status/server.ts";
import { TRANSFER_TIMINGS } from "./transfer/client.ts";
import { openUsageMeters } from "./usage/usage-meters.ts";

export interface WorkerOptions {
  readonly config: WorkerConfig;
  /** The process's environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  /** Take nothing new, let what runs finish within the grace, then resolve. */
  readonly stop: AbortSignal;
  /** The grace is over. */
  readonly hurry: AbortSignal;
  /** Resolve at once, and leave the builds to the process that comes next. */
  readonly leave: AbortSignal;
}

/** Two, so that a large output does not hold up a small one; more than four only wait for the disk. */
const COMPRESSION_THREADS = { min: 2, max: 4 } as const;

/**
 * The daemon, put together. Resolves after it was drained or stopped, with everything closed. Rejects with a UserError for
 * whatever an operator can put right.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const lock = await lockStateDirectory(options.config.stateDir);
  try {
    await runLocked(options);
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function runLocked(options: WorkerOptions): Promise<void> {
  const { config, environment, logger } = options;
  const worker = await loadWorkerId(config.stateDir, config.workerId);
  await lookAtCredentials(config.gitCredentials);
  const key = await loadSigningKey(join(config.stateDir, "signing-key"), worker);
  const nix = findNix({ store: config.store ?? environment["NIX_REMOTE"] ?? "", environment });
  const machine = await describeMachine(nix.environment);
  const version = new NixVersion(nix);
  const nixVersion = await version.ask();
  const facts = workerFacts(config, { worker, key, machine, nixVersion });
  const peers = await openPeers(config, logger);
  try {
    const { release, maxConcurrentBuilds: slots } = facts;
    const settings = { slots, nix, nixVersion, stateDirectory: config.stateDir, release };
    const builder = await RunnerBuilder.open(settings, logger);
    try {
      await runWithPeers(options, { facts, peers, key, nix, version, machine, builder });
    } finally {
      // Whatever went wrong here is no reason to end what builds.
      builder.leave();
    }
  } finally {
    await peers[Symbol.asyncDispose]();
  }
}

async function runWithPeers(
  options: WorkerOptions,
  parts: {
    facts: WorkerFacts;
    peers: PeersSource;
    key: SigningKey;
    nix: NixInstallation;
    version: NixVersion;
    machine: Machine;
    builder: LastingBuilder;
  },
): Promise<void> {
  const { config, environment, logger, stop, hurry, leave } = options;
  const { facts, peers, key, nix, version, machine, builder } = parts;
  const { stateDir } = config;
  const drain = new AbortController();
  const journal = await Journal.open(join(stateDir, "journal"), logger, (entry) =>
    mayResume(entry, builder),
  );
  const rootsName = `gradient-worker-${facts.worker}`;
  const store = openNixStore({ nix, rootsName, stateDirectory: stateDir });
  try {
    const meters = await openUsageMeters({ daemonSocket: nix.daemonSocket });
    try {
      logger.info({ ...facts, usage: meters.description }, "worker started");
      await serve({
        server: config.server,
        peers,
        journal,
        facts,
        store,
        signer: openSigner(key, { nix, store, journal }),
        meters,
        evaluator: makeEvaluator(options, { nix, version, machine, store }),
        builder,
        repositoriesDirectory: join(stateDir, "repositories"),
        fetchRules: fetchRules(config),
        scratchDirectory: join(stateDir, "scratch"),
        environment,
        compressionThreads: compressionThreads(machine.cores),
        evalTimeoutMs: config.evalTimeoutSeconds * 1000,
        openStatus: (source) => openStatus(source, { config, drain, logger }),
        shutdownGraceMs: config.shutdownGraceSeconds * 1000,
        timings: { session: SESSION_TIMINGS, transfer: TRANSFER_TIMINGS },
        now: () => Date.now(),
        logger,
        drain: drain.signal,
        stop,
        hurry,
        leave,
      });
    } finally {
      await meters[Symbol.asyncDispose]();
    }
  } finally {
    await store[Symbol.asyncDispose]();
  }
  logger.info("worker ended");
}

function makeEvaluator(
  { config, logger }: WorkerOptions,
  parts: { nix: NixInstallation; version: NixVersion; machine: Machine; store: NixStore },
): Evaluator {
  const { machine, ...tools } = parts;
  return openEvaluator({
    ...tools,
    ...evaluatorSize(machine, config),
    stateDirectory: config.stateDir,
    onUnforeseen: (nixVersion) =>
      logger.warn({ nixVersion }, "Nix asks its store otherwise than is foreseen"),
  });
}

function openSigner(
  { file: keyFile, publicKey }: SigningKey,
  { nix, store, journal }: { nix: NixInstallation; store: NixStore; journal: Journal },
): Signer {
  const isBuilding = (): boolean => journal.entries().some((entry) => entry.isBuilding);
  return new NixSigner({ nix, store, keyFile, publicKey, isBuilding });
}

/** A fetch would find it out, hours later and far from whoever can put it right. */
async function lookAtCredentials(file: string | null): Promise<void> {
  if (file === null) return;
  await access(file, constants.R_OK).catch((cause: unknown) => {
    throw new UserError(
      "git-credentials",
      `cannot read the file of git credentials: ${reasonOf(cause)}; write it, or leave --git-credentials out`,
      { cause },
    );
  });
}

function fetchRules({ localRepositories, gitCredentials }: WorkerConfig): FetchRules {
  return { localDirectories: localRepositories, credentialsFile: gitCredentials };
}

function openStatus(
  source: StatusSource,
  { config, drain, logger }: { config: WorkerConfig; drain: AbortController; logger: Logger },
): Promise<StatusServer> {
  return StatusServer.open({
    source,
    stateDirectory: config.stateDir,
    metricsListen: config.metricsListen,
    onDrain: () => drain.abort(),
    logger,
  });
}

async function openPeers(config: WorkerConfig, logger: Logger): Promise<PeersSource> {
  if (config.peersFile !== null) return openPeersFile(config.peersFile, logger);
  return openInlinePeers(config.peers ?? "", logger);
}

function workerFacts(
  config: WorkerConfig,
  found: { worker: WorkerId; key: SigningKey; machine: Machine; nixVersion: string },
): WorkerFacts {
  const { worker, key, machine, nixVersion } = found;
  return {
    worker,
    release: readRelease(),
    publicKey: key.publicKey,
    capabilities: {
      fetch: config.capabilityFetch,
      eval: config.capabilityEval,
      build: config.capabilityBuild,
    },
    systems: [...(config.systems ?? machine.systems)],
    systemFeatures: [...(config.systemFeatures ?? machine.systemFeatures)],
    maxConcurrentBuilds: config.maxConcurrentBuilds ?? machine.cores,
    cores: machine.cores,
    memoryBytes: machine.memoryBytes,
    nixVersion,
  };
}

function compressionThreads(cores: number): number {
  const { min, max } = COMPRESSION_THREADS;
  return Math.min(max, Math.max(min, cores));
}

/** Version in this package's package.json. */
