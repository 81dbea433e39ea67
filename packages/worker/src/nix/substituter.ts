import { stripVTControlCharacters } from "node:util";
import type { MissingPaths, Substituter } from "../ports.ts";
import { DaemonClient } from "./daemon/client.ts";
import { DaemonConnection } from "./daemon/connection.ts";
import { queryMissing, substitutePaths } from "./daemon/operations.ts";
import type { NixInstallation } from "./installation.ts";

const QUERY_TIMEOUT_MS = 600_000;
const WARNING = "warning:";

/** Opens the way to the substituters of nix.conf. The children start at the first call, or with `prepare`. */
export function openSubstituter(nix: NixInstallation): Substituter {
  return new DaemonSubstituter(nix);
}

/**
 * Its connection is never told any settings, so that it has those of nix.conf: everywhere else in the worker substituters are
 * switched off.
 */
class DaemonSubstituter implements Substituter {
  readonly #nix: NixInstallation;
  readonly #without: DaemonClient;
  #connection: DaemonConnection | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #prepared: Promise<unknown> = Promise.resolve();

  constructor(nix: NixInstallation) {
    this.#nix = nix;
    this.#without = new DaemonClient(nix);
  }

  prepare(): void {
    this.#prepared = this.#last.then(() => this.#connected()).catch(() => {});
    this.#last = this.#prepared;
  }

  missing(
    drvPaths: readonly string[],
    { onWarning, signal }: Parameters<Substituter["missing"]>[1],
  ): Promise<MissingPaths> {
    const onMessage = (text: string): void => {
      const warning = finalWarning(text);
      if (warning !== null) onWarning(warning);
    };
    const limited = AbortSignal.any([signal, AbortSignal.timeout(QUERY_TIMEOUT_MS)]);
    return this.#use(limited, (connection) =>
      connection.call(queryMissing(drvPaths, { onMessage })),
    );
  }

  missingWithout(drvPaths: readonly string[]): Promise<MissingPaths> {
    return this.#without.call(queryMissing(drvPaths), QUERY_TIMEOUT_MS);
  }

  /** It may take as long as the network does; the signal ends it. */
  async fetch(paths: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#use(signal, (connection) => connection.call(substitutePaths(paths, {})));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prepared;
    await this.#connection?.[Symbol.asyncDispose]();
    await this.#without[Symbol.asyncDispose]();
  }

  /** One call after the other: the connection knows no other way. */
  async #use<T>(
    signal: AbortSignal,
    work: (connection: DaemonConnection) => Promise<T>,
  ): Promise<T> {
    const run = this.#last.then(async () => {
      signal.throwIfAborted();
      const connection = await this.#connected();
      const onAbort = (): void => connection.interrupt();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        return await work(connection);
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    });
    this.#last = run.catch(() => {});
    return run;
  }

  async #connected(): Promise<DaemonConnection> {
    if (this.#connection?.isUsable === true) return this.#connection;
    await this.#connection?.[Symbol.asyncDispose]();
    this.#connection = await DaemonConnection.open(this.#nix);
    return this.#connection;
  }
}

/** What Nix warns of, without the tries before the last one. */
function finalWarning(message: string): string | null {
  const text = stripVTControlCharacters(message).trim();
  if (!text.startsWith(WARNING) || /; retrying /.test(text)) return null;
  return text.slice(WARNING.length).trim();
}
