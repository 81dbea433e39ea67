import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** A daemon under test: a real process of ours, with its output kept for when something goes wrong. */
export class Daemon {
  readonly name: string;
  readonly process: ChildProcess;
  private output = "";

  constructor(name: string, command: string, argv: readonly string[], env: NodeJS.ProcessEnv) {
    this.name = name;
    this.process = spawn(command, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output = (this.output + text).slice(-200_000);
      });
    }
  }

  get log(): string {
    return this.output;
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.process.pid;
  }

  get hasExited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves to the exit code, or the signal's name. */
  async exited(timeoutMs: number): Promise<number | string> {
    if (!this.hasExited)
      await once(this.process, "exit", { signal: AbortSignal.timeout(timeoutMs) });
    return this.process.exitCode ?? this.process.signalCode ?? "unknown";
  }

  /** Ends it at once, as a power failure would. */
  async kill(): Promise<void> {
    if (this.hasExited) return;
    this.process.kill("SIGKILL");
    await this.exited(10_000);
  }

  /** Ends it as a service manager would: politely, then by force. */
  async stop(timeoutMs = 15_000): Promise<void> {
    if (this.hasExited) return;
    this.process.kill("SIGTERM");
    await this.exited(timeoutMs).catch(() => this.kill());
  }
}
