import { drained } from "../../process/drained.ts";
import { type NixInstallation, withNixConfig } from "../installation.ts";
import { DaemonLostError, DaemonProtocolError, NixError } from "../nix-error.ts";
import { ByteReader, StreamEndedError } from "./byte-reader.ts";
import { type FrameListener, readFrames } from "./frames.ts";
import { Request } from "./request.ts";
import { newServingProcess, servingProcesses } from "./serving-process.ts";
import { type Transport, openChild, openSocket } from "./transport.ts";

export const CLIENT_MAGIC = 0x6e697863;
export const SERVER_MAGIC = 0x6478696f;
/** 1.34 has buildPathsWithResults; 1.38 would add only the exchange of feature names. */
export const OLDEST_MINOR = 34;
export const NEWEST_MINOR = 37;
/** 0 is for "unknown". */
const TRUST = new Map([
  [1, true],
  [2, false],
]);
const HANDSHAKE_TIMEOUT_MS = 30_000;
const FRAME_BYTES = 64 * 1024;

/**
 * Connections to the system's daemon are opened one after the other: the daemon's process for a connection is the one that
 * is new.
 */
let lastOpening: Promise<unknown> = Promise.resolve();

/** By directory of the store. */
const firstOpenings = new Map<string, Promise<unknown>>();

/**
 * A store that is new, or new to a feature of Nix, gets its tables from the process that opens it first. A second one at the same moment fails, as it would make
 * them, too.
 */
function behindFirst<T>(store: string, open: () => Promise<T>): Promise<T> {
  const first = firstOpenings.get(store);
  if (first !== undefined) return first.then(open);
  const opening = open();
  firstOpenings.set(
    store,
    opening.catch(() => {}),
  );
  return opening;
}

export interface Call<Answer> {
  request: Request;
  answer: (reader: ByteReader, minor: number) => Promise<Answer>;
  listener?: FrameListener;
  /** Sent after the request in frames, for the operations that read a NAR. */
  body?: AsyncIterable<Uint8Array>;
}

export interface ConnectionOptions {
  /** Lines of nix.conf for the child. */
  config?: readonly string[];
  /** What makes the child enter a control group; goes before its command line. */
  enter?: readonly string[];
  /** Minor version of the protocol that is spoken with a Nix that is not older. */
  minor?: number;
}

/**
 * One connection in Nix's worker protocol. Calls are made one after the other by the caller. After a DaemonLostError or
 * DaemonProtocolError the connection is dead; after a NixError it goes on.
 */
export class DaemonConnection implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #reader: ByteReader;
  #minor: number;
  #version = "";
  #isTrusted: boolean | null = null;
  #isBroken = false;
  #servingPid: number | null = null;

  private constructor(transport: Transport, minor: number) {
    this.#transport = transport;
    this.#minor = minor;
    this.#reader = new ByteReader(transport.input);
  }

  /** Starts a child, or calls the system's daemon, and shakes hands. */
  static async open(
    nix: NixInstallation,
    { config = [], enter = [], minor = NEWEST_MINOR }: ConnectionOptions = {},
  ): Promise<DaemonConnection> {
    const { daemonSocket } = nix;
    if (daemonSocket === null) {
      const open = async (): Promise<DaemonConnection> =>
        DaemonConnection.#over(
          await openChild(withNixConfig(nix.environment, config), enter),
          minor,
        );
      return behindFirst(nix.physicalStoreDirectory, open);
    }
    const opening = lastOpening.then(() => DaemonConnection.#toDaemon(daemonSocket, minor));
    lastOpening = opening.catch(() => {});
    return opening;
  }

  static async #over(transport: Transport, minor: number): Promise<DaemonConnection> {
    const connection = new DaemonConnection(transport, minor);
    const timer = setTimeout(() => transport.kill(), HANDSHAKE_TIMEOUT_MS);
    try {
      await connection.#guard(() => connection.#handshake());
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  static async #toDaemon(socket: string, minor: number): Promise<DaemonConnection> {
    const before = servingProcesses();
    const connection = await DaemonConnection.#over(await openSocket(socket), minor);
    connection.#servingPid = newServingProcess(before, socket);
    return connection;
  }

  /** The process that works for this connection: our child, or one of the system's daemon. null when it can not be found. */
  get pid(): number | null {
    return this.#transport.pid ?? this.#servingPid;
  }

  /** Version of the Nix at the other end; empty when the protocol that is spoken does not tell it. */
  get version(): string {
    return this.#version;
  }

  /** Whether the store takes from us what nobody has signed; null when this version of Nix does not tell. */
  get isTrusted(): boolean | null {
    return this.#isTrusted;
  }

  get isUsable(): boolean {
    return !this.#isBroken && !this.#transport.hasEnded;
  }

  async call<Answer>(call: Call<Answer>): Promise<Answer> {
    return this.#guard(async () => {
      await this.#write(call.request.bytes());
      const frames = readFrames(this.#reader, call.listener ?? {}, this.#minor);
      if (call.body === undefined) await frames;
      else await this.#sendBody(call.body, frames);
      return call.answer(this.#reader, this.#minor);
    });
  }

  /**
   * Makes calls without a body that the daemon works on one after the other, without waiting for the answer of one before the next
   * is sent. Answers are read once `rested` resolves. After an error of any of them the connection is dead.
   */
  async callAll<Answer>(
    calls: readonly Call<Answer>[],
    rested: () => Promise<void>,
  ): Promise<Answer[]> {
    try {
      return await this.#guard(async () => {
        const sent = this.#write(Buffer.concat(calls.map(({ request }) => request.bytes())));
        await rested();
        const answers: Answer[] = [];
        for (const { answer, listener = {} } of calls) {
          await readFrames(this.#reader, listener, this.#minor);
          answers.push(await answer(this.#reader, this.#minor));
        }
        await sent;
        return answers;
      });
    } catch (error) {
      this.#isBroken = true;
      throw error;
    }
  }

  /** Sends what somebody else says in the protocol's words. Not while a call is made. */
  async send(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes);
  }

  /** What the daemon says to that as it comes, at least one byte. */
  async receive(): Promise<Buffer> {
    return this.#guard(() => this.#reader.available());
  }

  /** Nix ends its builds and removes what they left. The connection ends with that. */
  interrupt(): void {
    this.#isBroken = true;
    this.#transport.interrupt();
  }

  /** For when Nix does not answer to `interrupt`. What it was building has to be killed by other means. */
  kill(): void {
    this.#isBroken = true;
    this.#transport.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isBroken = true;
    await this.#transport[Symbol.asyncDispose]();
  }

  /** Turns an end of the stream into an error that says how the other side ended, and marks the connection dead. */
  async #guard<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NixError) throw error;
      this.#isBroken = true;
      if (!(error instanceof StreamEndedError)) throw error;
      throw new DaemonLostError(await this.#transport.ending(), error);
    }
  }

  async #handshake(): Promise<void> {
    const reader = this.#reader;
    const mine = (1 << 8) | this.#minor;
    await this.#write(new Request().number(CLIENT_MAGIC).number(mine).bytes());
    if ((await reader.number()) !== SERVER_MAGIC) {
      throw new DaemonProtocolError("nix-daemon did not answer in the worker protocol");
    }
    const theirs = await reader.number();
    if (theirs >> 8 !== 1 || (theirs & 0xff) < OLDEST_MINOR) {
      throw new DaemonProtocolError(
        `nix-daemon speaks protocol ${theirs >> 8}.${theirs & 0xff}; at least 1.${OLDEST_MINOR} is needed (Nix 2.8)`,
      );
    }
    this.#minor = Math.min(theirs & 0xff, this.#minor);
    // Two fields that have lost their meaning: CPU affinity and reserved space.
    await this.#write(new Request().number(0).number(0).bytes());
    if (this.#minor >= 33) this.#version = await reader.string();
    if (this.#minor >= 35) this.#isTrusted = TRUST.get(await reader.number()) ?? null;
    await readFrames(reader, {}, this.#minor);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { output } = this.#transport;
    // A process that is gone is noticed by the reader, which can tell how it ended.
    if (!this.#isWritable()) return;
    if (!output.write(bytes)) await drained(output);
  }

  #isWritable(): boolean {
    const { output } = this.#transport;
    return !output.destroyed && output.writable;
  }

  /**
   * Sends the body while listening for an early error. An error of the daemon ends the sending, and the empty frame lets
   * the connection go on; an error of the body can not be told to the daemon, so it costs the connection.
   */
  async #sendBody(body: AsyncIterable<Uint8Array>, frames: Promise<void>): Promise<void> {
    let hasAnswered = false;
    const answered = frames.finally(() => {
      hasAnswered = true;
    });
    answered.catch(() => {});
    try {
      for await (const chunk of body) {
        // Writing to a process that is gone does not wait, so a body without end would never let the reader notice.
        if (hasAnswered || !this.#isWritable()) break;
        await this.#sendFrames(chunk);
      }
    } catch (error) {
      this.kill();
      throw error;
    }
    await this.#write(new Request().number(0).bytes());
    await answered;
  }

  async #sendFrames(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += FRAME_BYTES) {
      const frame = chunk.subarray(at, at + FRAME_BYTES);
      await this.#write(new Request().number(frame.length).bytes());
      await this.#write(frame);
    }
  }
}
