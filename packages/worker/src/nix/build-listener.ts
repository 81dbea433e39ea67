import type { Activity, ActivityResult, FrameListener } from "./daemon/frames.ts";
import type { MicroClock } from "../micro-clock.ts";
import type { BuildEnd } from "../ports.ts";
import { isAboutBusyDatabase } from "./error-text.ts";

const BUILD_ACTIVITY = 105;
const LOG_LINE = 101;
const PHASE = 104;
/** Lines are handed on together, but not more than this at once. */
const MAX_HELD_CHARACTERS = 64 * 1024;

/** Follows one build: its start and stop, and its log. */
export class BuildListener implements FrameListener {
  readonly #drvPath: string;
  readonly #onLog: (text: string) => void;
  readonly #onForeignBuild: () => void;
  #activity: bigint | null = null;
  readonly #clock: MicroClock;
  /** Since the epoch, and by what has elapsed. */
  #start: { us: number; elapsedUs: number } | null = null;
  #tookUs: number | null = null;
  #held = "";
  #builtAs: string | null = null;
  /** Another derivation that Nix started to build, as it is an input that is not there. */
  foreignBuild: string | null = null;

  constructor(
    drvPath: string,
    {
      clock,
      onLog,
      onForeignBuild,
    }: { clock: MicroClock; onLog: (text: string) => void; onForeignBuild: () => void },
  ) {
    this.#drvPath = drvPath;
    this.#clock = clock;
    this.#onLog = onLog;
    this.#onForeignBuild = onForeignBuild;
  }

  onMessage(text: string): void {
    if (isAboutBusyDatabase(text)) return;
    this.#log(text.endsWith("\n") ? text.slice(0, -1) : text);
  }

  onStart(activity: Activity): void {
    if (activity.type !== BUILD_ACTIVITY) return;
    const [drvPath] = activity.fields;
    const foreign = typeof drvPath === "string" ? this.#foreignTo(drvPath) : null;
    if (foreign !== null) {
      this.foreignBuild ??= foreign;
      this.#onForeignBuild();
      return;
    }
    this.#activity = activity.id;
    this.#start = { us: this.#clock.now(), elapsedUs: this.#clock.elapsed() };
    this.#tookUs = null;
  }

  onStop(id: bigint): void {
    if (id === this.#activity && this.#start !== null) this.#tookUs = this.#since(this.#start);
  }

  onResult(result: ActivityResult): void {
    const [text] = result.fields;
    if (typeof text !== "string" || result.id !== this.#activity) return;
    if (result.type === LOG_LINE) this.#log(text);
    // As the line that Nix itself keeps in its logs for the start of a phase.
    if (result.type === PHASE)
      this.#log(`@nix ${JSON.stringify({ action: "setPhase", phase: text })}`);
  }

  onIdle(): void {
    this.flush();
  }

  flush(): void {
    if (this.#held === "") return;
    const text = this.#held;
    this.#held = "";
    this.#onLog(text);
  }

  /** A build that never started takes no time, at the moment it was asked for (microseconds since the epoch). */
  times(askedUs: number): BuildEndTimes {
    if (this.#start === null) return endTimes(askedUs, askedUs);
    return endTimes(this.#start.us, this.#start.us + (this.#tookUs ?? this.#since(this.#start)));
  }

  #since({ elapsedUs }: { elapsedUs: number }): number {
    return this.#clock.elapsed() - elapsedUs;
  }

  /** The derivation that is not ours, when this one is built. Ours is built in one form only: a second one tells that the first was an input. */
  #foreignTo(drvPath: string): string | null {
    if (!isSameDerivation(drvPath, this.#drvPath)) return drvPath;
    const first = (this.#builtAs ??= drvPath);
    if (first === drvPath) return null;
    return drvPath === this.#drvPath ? first : drvPath;
  }

  #log(line: string): void {
    this.#held += `${line}\n`;
    if (this.#held.length > MAX_HELD_CHARACTERS) this.flush();
  }
}

type BuildEndTimes = Pick<BuildEnd, "startedAt" | "startedUs" | "stoppedAt" | "stoppedUs">;

/** From microseconds since the epoch. */
export function endTimes(startUs: number, stopUs: number): BuildEndTimes {
  return {
    startedAt: Math.floor(startUs / 1000),
    startedUs: startUs % 1000,
    stoppedAt: Math.floor(stopUs / 1000),
    stoppedUs: stopUs % 1000,
  };
}

/** A content-addressed derivation is built under another hash once its inputs are known, but keeps its name. */
function isSameDerivation(a: string, b: string): boolean {
  const nameOf = (drvPath: string): string => drvPath.slice(drvPath.indexOf("-"));
  return a === b || nameOf(a) === nameOf(b);
}
