import { readFileSync } from "node:fs";
import path from "node:path";
import { parseDerivation, type BuildLimits, type Derivation } from "@gradient/protocol";
import { MicroClock } from "../micro-clock.ts";
import { isBuilt } from "../outcome.ts";
import type { BuildEnd, BuildSlot, UsageMeter } from "../ports.ts";
import { BuildListener, endTimes } from "./build-listener.ts";
import { BuildPlace } from "./build-place.ts";
import { type Call, DaemonConnection } from "./daemon/connection.ts";
import {
  type DaemonOptions,
  type DaemonBuildResult,
  STORE_OPTIONS,
  buildDerivation,
  buildOutputs,
  setOptions,
} from "./daemon/operations.ts";
import type { NixInstallation } from "./installation.ts";
import { DaemonLostError, DaemonProtocolError, NixError } from "./nix-error.ts";

/** A child keeps what it built from being collected, for as long as it lives. So it may not live for ever. */
const MAX_BUILDS = 200;
/** How long Nix has to end the processes of a build that was cancelled, before they are killed. */
const CANCEL_GRACE_MS = 1000;
/** How long it has to remove what they left, which may be many files. */
const CLEAN_GRACE_MS = 60_000;
/** Nix watches the limits itself; we only when it does not. */
const DEADLINE_GRACE_MS = 30_000;
/** A timer that is set for longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `BuildResult::Status` DependencyFailed: an input was not there. */
const DEPENDENCY_FAILED = 10;

/**
 * Opens a slot. Its child starts with the first build, and stays for those that follow. The directory `places` tells where its builds
 * write, for whoever clears up when this process is killed (`removePlaces`).
 */
export function openBuildSlot(nix: NixInstallation, places: string | null = null): BuildSlot {
  return new DaemonBuildSlot(nix, places);
}

type AskedBuild = Parameters<BuildSlot["build"]>[0];

interface BuildRequest extends AskedBuild {
  /** null: Nix reads the derivation, looks for its inputs, and asks its build hook whether another machine takes it, which with Nix before 2.26 is a process for each build. */
  readonly given: { readonly derivation: Derivation; readonly inputs: readonly string[] } | null;
}

class DaemonBuildSlot implements BuildSlot {
  readonly #nix: NixInstallation;
  readonly #clock = new MicroClock();
  readonly #places: string | null;
  #connection: DaemonConnection | null = null;
  /** Of this connection's child. */
  #place: BuildPlace | null = null;
  #removals: Promise<unknown> = Promise.resolve();
  #builds = 0;
  #isBuilding = false;
  /** The meter in whose group the child is until it enters another one. */
  #entered: UsageMeter | null = null;
  /** Done when the child has left the group of the last build. */
  #released: Promise<void> = Promise.resolve();

  constructor(nix: NixInstallation, places: string | null) {
    this.#nix = nix;
    this.#places = places;
  }

  get pid(): number | null {
    return this.#connection?.pid ?? null;
  }

  async enter(meter: UsageMeter): Promise<void> {
    await this.#add(await this.#connected(), meter);
    this.#entered = meter;
  }

  async build(request: AskedBuild): Promise<BuildEnd> {
    if (this.#isBuilding)
      throw new DaemonProtocolError("a build slot builds one derivation at a time");
    this.#isBuilding = true;
    const context = { clock: this.#clock, askedUs: this.#clock.now() };
    try {
      if (request.signal.aborted)
        return ended("cancel", "cancelled before it started", context.askedUs);
      const { meter } = request;
      if (this.#entered === meter && this.#connection !== null && this.#isUsable) {
        meter.watchStorage();
        return await runBuild(this.#connection, this.#described(request), context);
      }
      const connection = await this.#connected();
      await this.#add(connection, meter);
      meter.watchStorage();
      try {
        return await runBuild(connection, this.#described(request), context);
      } finally {
        this.#leave(connection, meter);
      }
    } finally {
      this.#isBuilding = false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.#removals;
  }

  /** With what Nix builds from, where it need not find that out. A daemon of the system would have to trust us. */
  #described(request: AskedBuild): BuildRequest {
    const { drvPath, inputs } = request;
    if (inputs === null || this.#nix.daemonSocket !== null) return { ...request, given: null };
    const file = path.join(this.#nix.physicalStoreDirectory, path.basename(drvPath));
    return { ...request, given: { derivation: parseDerivation(readFileSync(file)), inputs } };
  }

  async #add(connection: DaemonConnection, meter: UsageMeter): Promise<void> {
    await this.#released;
    if (connection.pid !== null) await meter.add(connection.pid);
  }

  /**
   * The kernel may take some ten milliseconds to move a process between groups. The result does not wait for it: the meter
   * does when it is finished, and so does the next build.
   */
  #leave(connection: DaemonConnection, meter: UsageMeter): void {
    const { pid } = connection;
    if (pid !== null) this.#released = meter.remove(pid).catch(() => {});
  }

  get #isUsable(): boolean {
    return this.#connection?.isUsable === true && this.#place?.isThere !== false;
  }

  async #connected(): Promise<DaemonConnection> {
    this.#builds += 1;
    if (this.#connection !== null && this.#isUsable && this.#builds <= MAX_BUILDS) {
      return this.#connection;
    }
    await this.#close();
    this.#connection = await DaemonConnection.open(await this.#placed());
    this.#builds = 1;
    return this.#connection;
  }

  /** A daemon of the system has a place of its own. */
  async #placed(): Promise<NixInstallation> {
    const { environment, daemonSocket } = this.#nix;
    if (daemonSocket !== null) return this.#nix;
    this.#place = await BuildPlace.make(environment, this.#places);
    if (this.#place === null) return this.#nix;
    return { ...this.#nix, environment: { ...environment, TMPDIR: this.#place.path } };
  }

  async #close(): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
    // The next child does not wait for it: a build that was killed may have left many files.
    this.#removals = Promise.all([this.#removals, this.#place?.remove()]);
    this.#connection = null;
    this.#place = null;
  }
}

async function runBuild(
  connection: DaemonConnection,
  request: BuildRequest,
  { clock, askedUs }: { clock: MicroClock; askedUs: number },
): Promise<BuildEnd> {
  const stopper = new Stopper(connection, request.meter);
  const onAbort = (): void => stopper.stop("cancel");
  request.signal.addEventListener("abort", onAbort, { once: true });
  if (request.signal.aborted) onAbort();
  const deadlineMs = deadlineOf(request.limits);
  const deadline =
    deadlineMs === null ? undefined : setTimeout(() => stopper.stop("deadline"), deadlineMs);
  const listener = new BuildListener(request.drvPath, {
    clock,
    onLog: request.onLog,
    onForeignBuild: () => stopper.stop("input"),
  });
  try {
    await setOptionsOnce(connection, optionsOf(request));
    const result = await connection.call(callOf(request, listener));
    // Nix may be done with an input and the build before it hears of it.
    const isAlone = listener.foreignBuild === null;
    if (stopper.reason !== null && !(isBuilt(result) && isAlone)) {
      return endOfError(null, { stopper, listener, askedUs });
    }
    return endOf(result, listener, askedUs);
  } catch (error) {
    return endOfError(error, { stopper, listener, askedUs });
  } finally {
    listener.flush();
    clearTimeout(deadline);
    request.signal.removeEventListener("abort", onAbort);
    await stopper.settle();
  }
}

function callOf(
  { drvPath, given }: BuildRequest,
  listener: BuildListener,
): Call<DaemonBuildResult> {
  return given === null
    ? buildOutputs(drvPath, listener)
    : buildDerivation(drvPath, given, listener);
}

/** What each child was told last. Builds with other limits than the one before are seldom, and telling takes as long as a small build's start. */
const lastOptions = new WeakMap<DaemonConnection, string>();

async function setOptionsOnce(connection: DaemonConnection, options: DaemonOptions): Promise<void> {
  const text = JSON.stringify(options);
  if (lastOptions.get(connection) === text) return;
  lastOptions.delete(connection);
  await connection.call(setOptions(options));
  lastOptions.set(connection, text);
}

/** Ends a build before its time: Nix is asked first, as it cleans up after itself; then its processes are killed, at last Nix. */
class Stopper {
  readonly #connection: DaemonConnection;
  readonly #meter: UsageMeter;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #killing: Promise<void>[] = [];
  reason: "cancel" | "deadline" | "input" | null = null;

  constructor(connection: DaemonConnection, meter: UsageMeter) {
    this.#connection = connection;
    this.#meter = meter;
  }

  stop(reason: "cancel" | "deadline" | "input"): void {
    if (this.reason !== null) return;
    this.reason = reason;
    const { pid } = this.#connection;
    this.#connection.interrupt();
    this.#after(CANCEL_GRACE_MS, () => this.#meter.kill(pid === null ? [] : [pid]));
    this.#after(CLEAN_GRACE_MS, () => {
      this.#connection.kill();
      return this.#meter.kill([]);
    });
  }

  async settle(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#killing);
  }

  #after(delayMs: number, kill: () => Promise<void>): void {
    this.#timers.push(setTimeout(() => this.#killing.push(kill()), delayMs));
  }
}

/** Nix has no status for an input that is not there when it was told that it is. */
const LACKED_INPUT = /^dependency '[^']+' of '[^']+' does not exist/;

function endOf(result: DaemonBuildResult, listener: BuildListener, askedUs: number): BuildEnd {
  const lacksInput = LACKED_INPUT.test(result.message ?? "");
  return {
    status: lacksInput ? DEPENDENCY_FAILED : result.status,
    message: isBuilt(result) ? null : result.message,
    ...listener.times(askedUs),
    endedBy: null,
  };
}

function endOfError(
  error: unknown,
  context: { stopper: Stopper; listener: BuildListener; askedUs: number },
): BuildEnd {
  const times = context.listener.times(context.askedUs);
  const { reason } = context.stopper;
  if (reason === "input") {
    const message = `the input ${context.listener.foreignBuild} is not in this store, and would have been built within this attempt`;
    return { status: DEPENDENCY_FAILED, message, ...times, endedBy: null };
  }
  if (reason !== null) {
    const message = reason === "cancel" ? "cancelled" : "did not end at its time limit";
    return { status: null, message, ...times, endedBy: reason };
  }
  if (error instanceof NixError) {
    return { status: null, message: error.message, ...times, endedBy: null };
  }
  if (error instanceof DaemonLostError || error instanceof DaemonProtocolError) {
    return { status: null, message: error.message, ...times, endedBy: "loss" };
  }
  throw error;
}

function ended(endedBy: "cancel", message: string, atUs: number): BuildEnd {
  return { status: null, message, ...endTimes(atUs, atUs), endedBy };
}

function deadlineOf(limits: BuildLimits): number | null {
  const { timeoutSeconds } = limits;
  if (timeoutSeconds === null || timeoutSeconds === 0) return null;
  const deadlineMs = timeoutSeconds * 1000 + DEADLINE_GRACE_MS;
  return deadlineMs > MAX_TIMER_MS ? null : deadlineMs;
}

function optionsOf({ limits, meter }: BuildRequest): DaemonOptions {
  return {
    timeoutSeconds: limits.timeoutSeconds ?? 0,
    maxSilentSeconds: limits.maxSilentSeconds ?? 0,
    cores: limits.cores ?? 0,
    overrides: {
      ...STORE_OPTIONS,
      builders: "",
      // Nix's own control groups would take the builder out of ours.
      ...(meter.isGroup ? { "use-cgroups": "false" } : {}),
    },
  };
}
