import { type Socket, connect } from "node:net";
import type { Readable, Writable } from "node:stream";
import { describeExit } from "../../process/process-error.ts";
import { type RunningProcess, collectTail, startProcess } from "../../process/start.ts";
import type { TailBuffer } from "../../process/tail-buffer.ts";
import { DaemonLostError } from "../nix-error.ts";

/** What it was building ends at once, but may have left many files to be removed. */
const END_GRACE_MS = 10_000;

/** Bytes to and from a process of Nix that speaks the worker protocol. */
export interface Transport extends AsyncDisposable {
  readonly input: Readable;
  readonly output: Writable;
  /** Our child, or null when the process at the other end is not ours. */
  readonly pid: number | null;
  readonly hasEnded: boolean;
  /** Nix ends its builds and removes what they left, then ends. */
  interrupt(): void;
  /** For when Nix does not answer to `interrupt`. What it was building has to be killed by other means. */
  kill(): void;
  /** How it ended, once it has. */
  ending(): Promise<string>;
}

/**
 * A `nix-daemon --stdio` child: it works on the store itself, and its builds are its children. `enter` goes before its command line.
 */
export async function openChild(
  environment: Readonly<Record<string, string>>,
  enter: readonly string[] = [],
): Promise<Transport> {
  const [command, ...args] = [...enter, "nix-daemon", "--stdio"];
  const child = await startProcess({ command, args, env: environment });
  return new ChildTransport(child);
}

/**
 * The system's daemon by its socket. `nix-daemon --stdio` would only pass bytes on to it, and needs pipes for that, where
 * Node gives its children sockets.
 */
export async function openSocket(path: string): Promise<Transport> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (cause) => {
      reject(new DaemonLostError(`no Nix daemon answers at ${path}: is it running?`, cause));
    });
  });
  return new SocketTransport(socket);
}

class ChildTransport implements Transport {
  readonly #child: RunningProcess;
  readonly #stderr: TailBuffer;

  constructor(child: RunningProcess) {
    this.#child = child;
    this.#stderr = collectTail(child.stderr);
  }

  get input(): Readable {
    return this.#child.stdout;
  }

  get output(): Writable {
    return this.#child.stdin;
  }

  get pid(): number {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#child.hasExited;
  }

  interrupt(): void {
    this.#child.signal("SIGTERM");
  }

  kill(): void {
    this.#child.signal("SIGKILL");
  }

  async ending(): Promise<string> {
    const exit = await this.#child.end(END_GRACE_MS);
    const said = (this.#stderr.text().trim().split("\n").at(-1) ?? "").trim();
    return `nix-daemon ended with ${describeExit(exit)}${said === "" ? "" : `: ${said}`}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    this.#child.stdout.destroy();
    await this.#child.end(END_GRACE_MS);
  }
}

class SocketTransport implements Transport {
  readonly #socket: Socket;
  readonly pid = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    // The reader notices by itself.
    socket.on("error", () => {});
  }

  get input(): Readable {
    return this.#socket;
  }

  get output(): Writable {
    return this.#socket;
  }

  get hasEnded(): boolean {
    return this.#socket.destroyed;
  }

  /** The daemon watches its clients, and ends what it does for one that is gone. */
  interrupt(): void {
    this.#socket.destroy();
  }

  kill(): void {
    this.#socket.destroy();
  }

  async ending(): Promise<string> {
    return "the Nix daemon closed the connection";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
