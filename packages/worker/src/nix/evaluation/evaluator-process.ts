import { readFileSync } from "node:fs";
import type { BoundedPart, UsageMeter } from "../../ports.ts";
import { TICK_MS, readTimes } from "../../usage/process-tree.ts";
import { readLines } from "../../process/lines.ts";
import { PacedChunks } from "../../process/paced-chunks.ts";
import { type ProcessExit, type RunningProcess, startProcess } from "../../process/start.ts";
import { EvaluationError } from "../evaluation-error.ts";
import type { NixInstallation } from "../installation.ts";

const KILL_GRACE_MS = 1000;
/** A trace of ten thousand frames, twice, fits into it. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const MEMORY_INTERVAL_MS = 50;
/** From here on a process goes at the next border between attributes, before it has to be killed inside of one. */
const NEAR_CEILING = 0.75;
const PAGE_BYTES = 4096;
const MAX_HEAP_BYTES = 128 * 1024 * 1024;
const HEAP_SHARE = 0.25;

/** What all processes of an evaluation share. */
export interface EvaluationScope {
  readonly nix: NixInstallation;
  readonly meter: UsageMeter;
  readonly signal: AbortSignal;
  /** A time of `performance.now()`. */
  readonly deadline: number;
  /** Longest time without news, builds that evaluation waits for apart. */
  readonly attributeTimeoutMs: number;
  /** Of one process. */
  readonly memoryCeilingBytes: number;
  /** For what programs write beside the store. */
  readonly stateDirectory: string;
  /** Where relative paths in arguments begin. */
  readonly workingDirectory: string;
}

/** Why a process was ended from here. `silence`: nothing was heard for longer than one attribute may take. */
export type EndReason = "cancel" | "deadline" | "silence" | "memory" | "done";

/**
 * One process of the evaluator, watched: it is ended at the deadline, when it is silent for too long, and at its memory ceiling, which
 * the kernel holds where it can.
 */
export class EvaluatorProcess {
  /** A time of `performance.now()`. */
  readonly startedAt: number;
  readonly #process: RunningProcess;
  readonly #scope: EvaluationScope;
  /** null where the kernel holds no ceiling: then it is only looked at. */
  readonly #part: BoundedPart | null;
  readonly #deadlineTimer: NodeJS.Timeout;
  readonly #memoryTimer: NodeJS.Timeout;
  readonly #onAbort: () => void;
  readonly #chunks: PacedChunks;
  #silenceTimer: NodeJS.Timeout | undefined;
  #isBuilding = (): boolean => false;
  #memoryBytes = 0;
  #endedBy: EndReason | null = null;

  private constructor(
    process: RunningProcess,
    options: { scope: EvaluationScope; part: BoundedPart | null; startedAt: number },
  ) {
    const { scope, part, startedAt } = options;
    this.startedAt = startedAt;
    this.#process = process;
    this.#scope = scope;
    this.#part = part;
    process.stdout.resume();
    this.#chunks = new PacedChunks(process.stderr);
    this.#deadlineTimer = setTimeout(
      () => this.#endFor("deadline"),
      Math.max(0, scope.deadline - performance.now()),
    );
    this.#memoryTimer = setInterval(() => this.#watchMemory(), MEMORY_INTERVAL_MS);
    this.#onAbort = () => this.#endFor("cancel");
    scope.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (scope.signal.aborted) this.#onAbort();
  }

  /** Throws EvaluationError when the evaluation was cancelled before. */
  static async start(
    scope: EvaluationScope,
    request: {
      command: string;
      args: readonly string[];
      variables?: Readonly<Record<string, string>>;
    },
  ): Promise<EvaluatorProcess> {
    const { nix, meter } = scope;
    if (scope.signal.aborted) throw cancelled();
    const startedAt = performance.now();
    const part = meter.makePart(scope.memoryCeilingBytes);
    const enter = part?.enter ?? meter.enter;
    const [command = "", ...args] = [...enter, request.command, ...request.args];
    try {
      const process = await startProcess({
        command,
        args,
        env: { ...nix.environment, ...heapSize(scope), ...request.variables },
        cwd: scope.workingDirectory,
        isReadOnDemand: true,
      });
      if (enter.length === 0) await addTo(meter, process);
      return new EvaluatorProcess(process, { scope, part, startedAt });
    } catch (error) {
      await part?.remove();
      throw error;
    }
  }

  /** What it has used so far; 0 once it is gone. */
  get cpuMs(): number {
    const times = readTimes("/proc", this.#process.pid);
    return times === null ? 0 : (times.userTicks + times.systemTicks) * TICK_MS;
  }

  /** What it evaluates. By stdin: arguments can be read by every process, and the nonce must not be. */
  give(input: string): void {
    this.#process.stdin.end(input);
  }

  get endedBy(): EndReason | null {
    return this.#endedBy;
  }

  /** It needs most of the memory that it may have. */
  get isNearCeiling(): boolean {
    return this.#memoryBytes > NEAR_CEILING * this.#scope.memoryCeilingBytes;
  }

  /** It has said all that matters, and is not let finish at leisure. */
  hurry(): void {
    this.#chunks.hurry();
  }

  /** Lines of stderr. The clock stands still while one is looked at, and while evaluation waits for a build. */
  async *lines(isBuilding: () => boolean): AsyncGenerator<string, void, undefined> {
    this.#isBuilding = isBuilding;
    this.#startClock();
    for await (const line of readLines(this.#chunks.read(), MAX_LINE_BYTES)) {
      clearTimeout(this.#silenceTimer);
      yield line;
      if (!isBuilding()) this.#startClock();
    }
    clearTimeout(this.#silenceTimer);
  }

  /** Rejects with an EvaluationError when the evaluation as a whole was cancelled, or took too long. */
  async ended(): Promise<ProcessExit> {
    const exit = await this.#process.exit;
    if (this.#endedBy === null && (this.#part?.oomKills() ?? 0) > 0) this.#endedBy = "memory";
    if (this.#endedBy === "cancel") throw cancelled();
    if (this.#endedBy === "deadline") throw timedOut();
    return exit;
  }

  /** Ends it at once. Only between attributes: then it builds nothing that would be left running. */
  kill(): void {
    this.#endedBy ??= "done";
    this.#process.signal("SIGKILL");
  }

  /** Ends what still runs, and looks no more. */
  async stop(): Promise<void> {
    clearTimeout(this.#deadlineTimer);
    clearTimeout(this.#silenceTimer);
    clearInterval(this.#memoryTimer);
    this.#scope.signal.removeEventListener("abort", this.#onAbort);
    if (!this.#process.hasExited) {
      this.#endedBy ??= "done";
      await this.#process.end(KILL_GRACE_MS);
    }
    await this.#part?.remove();
  }

  #startClock(): void {
    this.#silenceTimer = setTimeout(() => this.#endFor("silence"), this.#scope.attributeTimeoutMs);
  }

  #endFor(reason: EndReason): void {
    if (this.#endedBy !== null || this.#process.hasExited) return;
    this.#endedBy = reason;
    // An evaluator that computes does not listen, and leaves nothing behind; one that builds would leave the builder.
    const isAsked = this.#isBuilding() || reason === "cancel" || reason === "deadline";
    if (isAsked) void this.#process.end(KILL_GRACE_MS);
    else this.#process.signal("SIGKILL");
  }

  #watchMemory(): void {
    this.#memoryBytes = anonymousBytes(this.#process.pid);
    if (this.#memoryBytes > this.#scope.memoryCeilingBytes) this.#endFor("memory");
  }
}

async function addTo(meter: UsageMeter, process: RunningProcess): Promise<void> {
  try {
    await meter.add(process.pid);
  } catch (error) {
    await process.end(KILL_GRACE_MS);
    throw error;
  }
}

/**
 * Nix collects no garbage before its heap has reached this size. Its own choice, 384 MiB, is large for several processes, and touching so
 * much memory for the first time takes longer than to collect it now and then.
 */
function heapSize({ memoryCeilingBytes }: EvaluationScope): Record<string, string> {
  const sizeBytes = Math.min(MAX_HEAP_BYTES, Math.floor(HEAP_SHARE * memoryCeilingBytes));
  return { GC_INITIAL_HEAP_SIZE: String(sizeBytes) };
}

/** Resident memory of a process without pages of files; 0 once it is gone. */
function anonymousBytes(pid: number): number {
  try {
    const [, resident = "0", shared = "0"] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
    return (Number(resident) - Number(shared)) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

/** Final: the same would take as long again. */
export function timedOut(): EvaluationError {
  return new EvaluationError(
    "evaluation_timeout",
    "the evaluation took longer than its time limit",
  );
}

/** Whoever asked for the evaluation wants it no more. */
export function cancelled(): EvaluationError {
  return new EvaluationError("evaluation_cancelled", "the evaluation was cancelled");
}
