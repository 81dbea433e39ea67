import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { AttributePath, AttributePattern } from "@gradient/protocol";
import type { UsageMeter } from "../ports.ts";
import { type ProcessExit, type RunningProcess, startProcess } from "../process/start.ts";
import { EvaluationError } from "./evaluation-error.ts";
import type { NixInstallation } from "./installation.ts";
import { WalkerLines } from "./walker-lines.ts";
import { WALKER } from "./walker.ts";

const KILL_GRACE_MS = 1000;
const ARGUMENTS = ["--eval", "--strict", "--read-write-mode", "--show-trace", "-"];

/** What the walker is called with. */
export interface WalkerPlan extends AttributePattern {
  file: string;
  /** Paths that the pattern names without wildcards. */
  literals: readonly AttributePath[];
  /** Where an earlier process came to: it goes on behind that. */
  after: AttributePath | null;
  /** Evaluates nothing but this, and lets its error through. */
  only: AttributePath | null;
}

/** One process of the evaluator, which is ended at its deadline. */
export class WalkerRun {
  readonly lines: WalkerLines;
  readonly stderr: Readable;
  readonly #process: RunningProcess;
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort: () => void;
  #isLate = false;

  private constructor(
    process: RunningProcess,
    options: { nonce: string; signal: AbortSignal; deadline: number },
  ) {
    this.#process = process;
    this.stderr = process.stderr;
    this.lines = new WalkerLines(options.nonce);
    this.#signal = options.signal;
    this.#timer = setTimeout(
      () => {
        this.#isLate = true;
        void process.end(KILL_GRACE_MS);
      },
      Math.max(0, options.deadline - Date.now()),
    );
    this.#onAbort = () => void process.end(KILL_GRACE_MS);
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal.aborted) this.#onAbort();
  }

  static async start(options: {
    nix: NixInstallation;
    plan: WalkerPlan;
    meter: UsageMeter;
    signal: AbortSignal;
    deadline: number;
  }): Promise<WalkerRun> {
    const { nix, plan, meter } = options;
    const nonce = randomBytes(16).toString("hex");
    const line = meter.enter.concat("nix-instantiate", ARGUMENTS);
    const [command = "", ...args] = line;
    const process = await startProcess({ command, args, env: nix.environment, cwd: "/" });
    if (meter.enter.length === 0) await meter.add(process.pid);
    process.stdout.resume();
    // By stdin: arguments can be read by every process, and the nonce must not be.
    process.stdin.end(expressionOf(nonce, plan));
    return new WalkerRun(process, { nonce, ...options });
  }

  /** Rejects with an EvaluationError when it was ended from here. */
  async ended(): Promise<ProcessExit> {
    const exit = await this.#process.exit;
    if (this.#signal.aborted) throw cancelled();
    if (this.#isLate) {
      throw new EvaluationError(
        "evaluation_timeout",
        "the evaluation took longer than its time limit",
      );
    }
    return exit;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener("abort", this.#onAbort);
    if (!this.#process.hasExited) await this.#process.end(KILL_GRACE_MS);
  }
}

function expressionOf(nonce: string, plan: WalkerPlan): string {
  const { file, ...data } = plan;
  const json = JSON.stringify({ nonce, ...data });
  return `(${WALKER}) (builtins.fromJSON ${nixString(json)} // { file = ${nixString(file)}; })`;
}

function nixString(text: string): string {
  return `"${text.replaceAll(/["\\]|\$\{/g, "\\$&")}"`;
}

export function cancelled(): EvaluationError {
  return new EvaluationError("evaluation_cancelled", "the evaluation was cancelled");
}
