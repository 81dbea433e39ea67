import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { RequestReader } from "./request-reader.ts";

/** No request is as large. */
const MAX_REQUEST_BYTES = 256 * 1024 * 1024;

/** `more`: the bytes that are here do not make a whole step. */
export type Step = "done" | "more" | Promise<void>;

/**
 * A client's connection, read in steps: each takes the bytes that it is made of, and is tried again when there are more if they are
 * not all here. The client waits with all of its work, so a step is done in the event that brought its bytes; while one is not done
 * nothing more is read.
 */
export class SteppedSocket {
  readonly #socket: Socket;
  readonly #refusal: (error: unknown) => Request;
  #step: () => Step;
  /** What was received and has not made a whole step. */
  #held: Buffer = Buffer.alloc(0);
  /** What came after that. */
  #arrived: Buffer[] = [];
  #arrivedBytes = 0;
  /** A step needs at least so many. */
  #neededBytes = 0;
  /** `works`: a step is not done, and what comes waits. */
  #state: "reads" | "works" | "gone" = "reads";
  #lastStep: Promise<void> = Promise.resolve();

  /** `refusal` is what the client is told when a step fails. */
  constructor(socket: Socket, firstStep: () => Step, refusal: (error: unknown) => Request) {
    this.#socket = socket;
    this.#step = firstStep;
    this.#refusal = refusal;
  }

  /** Resolves when the client has gone, or was sent away; never rejects. */
  async read(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => {
      if (this.#state === "gone") return;
      this.#arrived.push(chunk);
      this.#arrivedBytes += chunk.length;
      if (this.#state === "reads") this.#goOn();
    });
    await closed;
  }

  get isGone(): boolean {
    return this.#state === "gone";
  }

  /** Resolves when all that it has sent by now is read, or before when `isEnough`. */
  async caughtUp(isEnough: () => boolean): Promise<void> {
    // The event loop may have looked at the socket before in this turn, and does so in the next.
    let turns = 0;
    while (!isEnough() && turns < 2) {
      await this.#lastStep;
      await nextTurn();
      turns = this.#state === "works" ? 0 : turns + 1;
    }
  }

  /** What is read from here on. */
  goOnWith(step: () => Step): void {
    this.#step = step;
  }

  /** Of what is here; `at`: so many bytes were read before. */
  reader(at = 0): RequestReader {
    return new RequestReader(this.#held, at);
  }

  get heldBytes(): number {
    return this.#held.length;
  }

  /** What the reader is short of. Throws when nobody sends as much. */
  waitFor({ neededBytes }: RequestReader): "more" {
    this.#neededBytes = neededBytes;
    if (neededBytes <= MAX_REQUEST_BYTES) return "more";
    throw new DaemonProtocolError(`an evaluator sent a request of ${neededBytes} bytes`);
  }

  /** The first bytes of what is here, which are done with. */
  take(sizeBytes: number): Buffer {
    const bytes = this.#held.subarray(0, sizeBytes);
    this.#held = this.#held.subarray(sizeBytes);
    return bytes;
  }

  /** Answers of ours are short, and the client waits for each. */
  write(request: Request): void {
    if (this.#socket.writable) this.#socket.write(request.bytes());
  }

  #goOn(): void {
    try {
      if (this.#held.length + this.#arrivedBytes < this.#neededBytes) return;
      this.#gather();
      for (;;) {
        const step = this.#step();
        if (step === "more") return;
        if (step === "done") continue;
        this.#await(step);
        return;
      }
    } catch (error) {
      this.#sendAway(error);
    }
  }

  #gather(): void {
    const [first = Buffer.alloc(0), ...others] = this.#arrived;
    const isOne = this.#held.length === 0 && others.length === 0;
    this.#held = isOne ? first : Buffer.concat([this.#held, ...this.#arrived]);
    this.#arrived = [];
    this.#arrivedBytes = 0;
    this.#neededBytes = 0;
  }

  #await(step: Promise<void>): void {
    this.#state = "works";
    this.#socket.pause();
    this.#lastStep = step.then(
      () => {
        this.#state = "reads";
        this.#socket.resume();
        this.#goOn();
      },
      (error: unknown) => this.#sendAway(error),
    );
  }

  #sendAway(error: unknown): void {
    this.#state = "gone";
    this.write(this.#refusal(error));
    // The rest of what it sends is read: it would not hear the reason from a connection that is closed before.
    this.#socket.resume();
    this.#socket.end();
  }
}
