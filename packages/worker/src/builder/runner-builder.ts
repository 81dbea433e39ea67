import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { UsageRecord } from "@gradient/protocol";
import { WorkerError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { BuildEnd, BuildKeep, BuildRequest, LastingBuilder, LiveUsage } from "../ports.ts";
import type { KeptEnd } from "../runner/messages.ts";
import { unmeasured } from "../usage/usage-figures.ts";
import { readKeptEnd } from "./kept-end.ts";
import {
  findRunners,
  fingerprintOf,
  launchRunner,
  removeRunner,
  type RunnerSettings,
} from "./launch-runner.ts";
import type { RunnerLink } from "./runner-link.ts";

/** With more of them the message would be longer than it may be (`MAX_MESSAGE_BYTES`). */
const MAX_TOLD_INPUTS = 3000;

type BuildAnswer = { end: BuildEnd; usage: UsageRecord };

/**
 * Builds in a runner: a process that holds Nix, control groups and logs of all builds and lives on when this one ends. The next
 * daemon finds it, and goes on with what it runs. A runner that is not as this daemon would start one (another release, another
 * Nix) finishes what it has, beside a new one.
 */
export class RunnerBuilder implements LastingBuilder {
  readonly #settings: RunnerSettings;
  readonly #logger: Logger;
  readonly #links = new Set<RunnerLink>();
  /** Builds of earlier processes that `build` has not gone on with yet. */
  readonly #found = new Map<string, RunnerLink>();
  /** Those of them that somebody asked for. */
  readonly #claimed = new Set<string>();
  /** Ends of builds that runners left for a daemon that was not there. */
  readonly #kept = new Map<string, KeptEnd>();
  #current: Promise<RunnerLink> | null = null;
  #hasLeft = false;
  #isEnding = false;

  private constructor(settings: RunnerSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /** Finds the runners that are there, and starts one when none fits. Throws UserError when the state directory cannot be used. */
  static async open(settings: RunnerSettings, logger: Logger): Promise<RunnerBuilder> {
    const builder = new RunnerBuilder(settings, logger);
    for (const link of await findRunners(settings)) builder.#adopt(link);
    // The first build need not wait for it, and tells why it cannot be started.
    builder.#runner().catch(() => {});
    return builder;
  }

  async has({ name, directory }: { name: string; directory: string }): Promise<boolean> {
    if (this.#found.has(name)) {
      this.#claimed.add(name);
      return true;
    }
    const kept = await readKeptEnd(directory);
    if (kept === null) return false;
    this.#kept.set(name, kept);
    return true;
  }

  endUnclaimed(): void {
    for (const name of this.#found.keys()) if (!this.#claimed.has(name)) this.disown(name);
  }

  disown(name: string): void {
    this.#found.get(name)?.send({ type: "cancel", name });
    this.#found.delete(name);
  }

  async build(request: BuildRequest): Promise<BuildAnswer> {
    const { name, drvPath, limits, keep, signal } = request;
    if (keep === undefined) throw new Error(`build ${name} has no directory to outlive us in`);
    const link = this.#found.get(name);
    if (link !== undefined) {
      this.#found.delete(name);
      return this.#follow(link, request, keep);
    }
    const kept = this.#kept.get(name);
    if (kept !== undefined) {
      this.#kept.delete(name);
      return answerOf(kept);
    }
    const runner = await this.#runner();
    signal.throwIfAborted();
    const { directory, leaseMs } = keep;
    const isLong = (request.inputs?.length ?? 0) > MAX_TOLD_INPUTS;
    const inputs = isLong ? null : request.inputs;
    runner.send({ type: "build", name, drvPath, inputs, limits, directory, leaseMs });
    return this.#follow(runner, request, keep);
  }

  prepare(): void {
    this.#runner().then(
      (runner) => runner.send({ type: "prepare" }),
      () => {},
    );
  }

  leave(): void {
    this.#hasLeft = true;
    for (const link of this.#links) link.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    await this.#current?.catch(() => {});
    await Promise.all([...this.#links].map((link) => link.end()));
  }

  #adopt(link: RunnerLink): void {
    const { fingerprint, builds } = link.hello;
    for (const { name } of builds) this.#found.set(name, link);
    this.#watch(link);
    if (this.#current === null && fingerprint === fingerprintOf(this.#settings)) {
      this.#current = Promise.resolve(link);
    } else {
      link.send({ type: "retire" });
    }
    this.#logger.info(
      { builds: builds.map(({ name }) => name) },
      "builds of a running process are taken over",
    );
  }

  /** The runner that gets new builds. */
  #runner(): Promise<RunnerLink> {
    this.#current ??= this.#launch();
    return this.#current;
  }

  async #launch(): Promise<RunnerLink> {
    try {
      const link = await launchRunner(this.#settings);
      this.#watch(link);
      if (this.#hasLeft) link.leave();
      return link;
    } catch (error) {
      this.#current = null;
      this.#logger.error({ err: error }, "the process that runs the builds cannot be started");
      throw error;
    }
  }

  #watch(link: RunnerLink): void {
    this.#links.add(link);
    void link.closed.then(async (lostBuilds) => {
      this.#links.delete(link);
      const isCurrent = (await this.#current?.catch(() => null)) === link;
      if (isCurrent) this.#current = null;
      if (this.#hasLeft || this.#isEnding) return;
      // They come again.
      if (isCurrent && lostBuilds > 0) this.#runner().catch(() => {});
      const said = await removeRunner(link, this.#settings.nix).catch(() => null);
      if (!isCurrent) return;
      this.#logger.error({ lostBuilds, said }, "the process that runs the builds is gone");
    });
  }

  async #follow(link: RunnerLink, request: BuildRequest, keep: BuildKeep): Promise<BuildAnswer> {
    const { name, signal } = request;
    const onAbort = (): void => link.send({ type: "cancel", name });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const outcome = await this.#outcome(link, request, keep);
      if (outcome.type === "failed") signal.throwIfAborted();
      return answerOf(outcome);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #outcome(link: RunnerLink, request: BuildRequest, keep: BuildKeep): Promise<KeptEnd> {
    const { name, onStart, onBuilt } = request;
    const live = new FollowedUsage(() => link.send({ type: "usage", name }));
    const told = await new Promise<KeptEnd | null>((resolve) => {
      link.follow(name, {
        onStarted: () => onStart(live),
        onBuilt: () => onBuilt?.(),
        onLog: keep.onLogGrew,
        onUsage: (usage) => live.take(usage),
        onEnded: (outcome, logLoss) => {
          if (logLoss !== null) keep.onLogLost(logLoss.bytes, logLoss.reason);
          resolve(outcome);
        },
        onLost: () => resolve(null),
      });
    });
    live.end();
    return told ?? (await afterLoss(keep, this.#hasLeft));
  }
}

/** Asks the runner. What it told the time before may be long ago: nobody may have asked since the build began. */
class FollowedUsage implements LiveUsage {
  readonly #ask: () => void;
  #last = unmeasured(0);
  #waiting: ((usage: UsageRecord) => void)[] = [];
  #hasEnded = false;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  take(usage: UsageRecord): void {
    this.#last = usage;
    for (const resolve of this.#waiting.splice(0)) resolve(usage);
  }

  /** No more answers come. */
  end(): void {
    this.#hasEnded = true;
    this.take(this.#last);
  }

  async current(): Promise<UsageRecord> {
    if (this.#hasEnded) return this.#last;
    const answer = new Promise<UsageRecord>((resolve) => {
      this.#waiting.push(resolve);
    });
    this.#ask();
    return answer;
  }
}

/** The runner may have ended the build before it ended itself; its log is there in any case. */
async function afterLoss(keep: BuildKeep, hasLeft: boolean): Promise<KeptEnd> {
  if (hasLeft) return { type: "failed", message: "the worker left the build to its successor" };
  const log = await stat(join(keep.directory, "log")).catch(() => null);
  if (log !== null) keep.onLogGrew(log.size);
  const kept = await readKeptEnd(keep.directory);
  return kept ?? { type: "failed", message: "the process that ran the build is gone" };
}

function answerOf(outcome: KeptEnd): BuildAnswer {
  if (outcome.type === "ended") return { end: outcome.end, usage: outcome.usage };
  throw new WorkerError("build-lost", outcome.message, { isTransient: true });
}
