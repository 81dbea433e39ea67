import { join } from "node:path";
import { workerIdSchema } from "@gradient/protocol";
import { v4 } from "uuid";
import { SlotBuilder } from "../builder/slot-builder.ts";
import { serve } from "../daemon.ts";
import { openInlinePeers, type PeersSource } from "../identity/peers-source.ts";
import { Journal } from "../journal/journal.ts";
import type { Evaluator, LastingBuilder, NixStore, Signer } from "../ports.ts";
import type { StatusSource } from "../status/server.ts";
import { captureLog, type LogCapture } from "./log-capture.ts";
import { ORGANIZATION, TOKEN } from "./offers.ts";
import {
  scriptedEvaluator,
  ScriptedBuilds,
  scriptedMeters,
  scriptedSigner,
  ScriptedStore,
} from "./scripted-nix.ts";

const WORKER = workerIdSchema.parse(v4());

/** Quick enough for tests, in the proportions of the real ones. */
export const QUICK_TIMINGS = {
  session: {
    handshakeMs: 2000,
    pingMs: 100,
    deadMs: 400,
    backoff: { minMs: 5, maxMs: 20 },
  },
  transfer: { attempts: 5, firstDelayMs: 1, maxDelayMs: 5 },
} as const;

/** The worker's daemon without its process: everything real but Nix. */
export class TestWorker<S extends NixStore = ScriptedStore> implements AsyncDisposable {
  readonly log: LogCapture;
  readonly store: S;
  readonly builds: ScriptedBuilds;
  readonly drain = new AbortController();
  readonly stop = new AbortController();
  readonly hurry = new AbortController();
  readonly leave = new AbortController();
  /** Resolves when the daemon has ended. */
  readonly ended: Promise<void>;

  private constructor(parts: {
    log: LogCapture;
    store: S;
    builds: ScriptedBuilds;
    run: (worker: TestWorker<S>) => Promise<void>;
  }) {
    this.log = parts.log;
    this.store = parts.store;
    this.builds = parts.builds;
    this.ended = parts.run(this);
  }

  static async start<S extends NixStore = ScriptedStore>(options: {
    server: URL;
    directory: string;
    store?: S;
    evaluator?: Evaluator;
    signer?: Signer;
    builder?: LastingBuilder;
    peers?: PeersSource;
    journal?: Journal;
    openStatus?: (source: StatusSource) => Promise<AsyncDisposable>;
    maxConcurrentBuilds?: number;
    shutdownGraceMs?: number;
  }): Promise<TestWorker<S>> {
    const log = captureLog();
    const { directory } = options;
    const store = options.store ?? (new ScriptedStore(join(directory, "store")) as NixStore as S);
    const journal = options.journal ?? (await Journal.open(join(directory, "journal"), log.logger));
    const maxConcurrentBuilds = options.maxConcurrentBuilds ?? 1;
    const builds = new ScriptedBuilds();
    const signer = options.signer ?? scriptedSigner;
    const run = (worker: TestWorker<S>): Promise<void> =>
      serve({
        server: options.server,
        peers: options.peers ?? openInlinePeers(`${ORGANIZATION}:${TOKEN}`, log.logger),
        journal,
        facts: {
          worker: WORKER,
          release: "test",
          publicKey: signer.publicKey,
          capabilities: { fetch: true, eval: true, build: true },
          systems: ["x86_64-linux"],
          systemFeatures: [],
          maxConcurrentBuilds,
          cores: 1,
          memoryBytes: 1 << 30,
          nixVersion: "test",
        },
        store,
        signer,
        meters: scriptedMeters,
        evaluator: options.evaluator ?? scriptedEvaluator(async function* () {}),
        builder: options.builder ?? lasting(maxConcurrentBuilds, builds),
        repositoriesDirectory: join(directory, "repositories"),
        fetchRules: { localDirectories: [], credentialsFile: null },
        scratchDirectory: join(directory, "scratch"),
        environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
        compressionThreads: 1,
        evalTimeoutMs: 60_000,
        openStatus: options.openStatus ?? (async () => ({ [Symbol.asyncDispose]: async () => {} })),
        shutdownGraceMs: options.shutdownGraceMs ?? 60_000,
        timings: QUICK_TIMINGS,
        now: () => Date.now(),
        logger: log.logger,
        drain: worker.drain.signal,
        stop: worker.stop.signal,
        hurry: worker.hurry.signal,
        leave: worker.leave.signal,
      });
    return new TestWorker({ log, store, builds, run });
  }

  /** Ends it at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.hurry.abort();
    await this.ended;
  }
}

/** Builds that end with the test's worker. */
function lasting(slots: number, { openSlot }: ScriptedBuilds): LastingBuilder {
  const builder = new SlotBuilder({ slots, openSlot, meters: scriptedMeters });
  return {
    prepare: () => builder.prepare(),
    build: (request) => builder.build(request),
    has: () => Promise.resolve(false),
    endUnclaimed: () => {},
    disown: () => {},
    leave: () => {},
    [Symbol.asyncDispose]: () => builder[Symbol.asyncDispose](),
  };
}
