import type { NixInstallation } from "../installation.ts";
import { DaemonLostError } from "../nix-error.ts";
import { type Call, DaemonConnection } from "./connection.ts";
import { STORE_OPTIONS, setOptions } from "./operations.ts";

/** A child keeps what it touched from being collected, for as long as it lives. So it may not live for ever. */
const MAX_CALLS = 1000;
const QUERY_OPTIONS = {
  timeoutSeconds: 0,
  maxSilentSeconds: 0,
  cores: 0,
  overrides: STORE_OPTIONS,
};

/**
 * A Nix store behind one connection to a daemon, as a rule a child of ours. Calls are worked on one after the other; a child that is gone, or has
 * done its share, is replaced at the next call.
 */
export class DaemonClient implements AsyncDisposable {
  readonly #nix: NixInstallation;
  #connection: DaemonConnection | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #calls = 0;
  #waiting = 0;
  #isClosed = false;

  constructor(nix: NixInstallation) {
    this.#nix = nix;
  }

  /**
   * Rejects with a NixError when Nix refuses, with a DaemonLostError when the child ended or took longer than
   * `timeoutMs` (it is killed then). The time in which earlier calls are worked on is not counted.
   */
  async call<Answer>(call: Call<Answer>, timeoutMs: number): Promise<Answer> {
    this.#waiting += 1;
    const run = this.#last
      .then(() => this.#callNow(call, timeoutMs))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#last = run.catch(() => {});
    return run;
  }

  /** Opens the connection, if it is not; when that fails, the next call tries again and tells. */
  prepare(): void {
    this.#last = this.#last.then(() => (this.#isClosed ? null : this.#connected())).catch(() => {});
  }

  /** Calls that are worked on or wait. */
  get waiting(): number {
    return this.#waiting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.[Symbol.asyncDispose]();
  }

  async #callNow<Answer>(call: Call<Answer>, timeoutMs: number): Promise<Answer> {
    if (this.#isClosed) throw new DaemonLostError("the connection to the Nix store is closed");
    const before = this.#connection;
    const connection = await this.#connected();
    const limit = { timeoutMs, deadline: performance.now() + timeoutMs };
    try {
      return await callWithin(limit, connection, call);
    } catch (error) {
      // A child that ended while it had nothing to do may be noticed only now. Without a body a call can be made twice.
      const isRepeated = connection === before && call.body === undefined;
      if (
        !isRepeated ||
        !(error instanceof DaemonLostError) ||
        performance.now() >= limit.deadline
      ) {
        throw error;
      }
      return await callWithin(limit, await this.#connected(), call);
    }
  }

  async #connected(): Promise<DaemonConnection> {
    this.#calls += 1;
    if (this.#connection?.isUsable === true && this.#calls <= MAX_CALLS) return this.#connection;
    await this.#connection?.[Symbol.asyncDispose]();
    this.#calls = 1;
    const connection = await DaemonConnection.open(this.#nix);
    this.#connection = connection;
    await connection.call(setOptions(QUERY_OPTIONS));
    return connection;
  }
}

/** `deadline` is a time of `performance.now()`. */
async function callWithin<Answer>(
  { timeoutMs, deadline }: { timeoutMs: number; deadline: number },
  connection: DaemonConnection,
  call: Call<Answer>,
): Promise<Answer> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    connection.kill();
  }, deadline - performance.now());
  try {
    return await connection.call(call);
  } catch (error) {
    if (!isLate) throw error;
    throw new DaemonLostError(`nix-daemon did not answer within ${timeoutMs} ms`, error);
  } finally {
    clearTimeout(timer);
  }
}
