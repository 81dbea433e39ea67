import { existsSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { basename, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { STORE_DIR } from "@gradient/protocol";
import type { UsageMeter } from "../../ports.ts";
import { DaemonConnection, NEWEST_MINOR, OLDEST_MINOR } from "../daemon/connection.ts";
import { type NixInstallation, withNixConfig } from "../installation.ts";
import { BuildTurns } from "./build-turns.ts";
import { EVALUATOR_SETTINGS } from "./evaluator-settings.ts";
import { RelayedClient, TERSE_MINOR } from "./relayed-client.ts";
import { type SocketDirectory, openSocketDirectory } from "./socket-directory.ts";
import { TextWriter } from "./text-writer.ts";

/**
 * A Nix daemon for the evaluators of one evaluation, before the store that they would use. Processes that write into one store wait
 * for each other at every path, for as long as the path takes or much longer. Here one process writes their derivations while they
 * go on. What else they ask of the store is passed on, and answered when the derivations are written that came before.
 */
export class StoreRelay implements AsyncDisposable {
  /** The store as the evaluators are to see it. */
  readonly nix: NixInstallation;
  readonly #directory: SocketDirectory;
  readonly #store: NixInstallation;
  readonly #meter: UsageMeter;
  readonly #writer: TextWriter;
  /** For the first evaluator that needs one: it would wait for a process to start, and to enter the group. */
  #spare: Promise<DaemonConnection> | null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #builds: BuildTurns;
  readonly #clients = new Map<RelayedClient, Promise<void>>();
  readonly #signal: AbortSignal;
  #refusal: Promise<string | null> | null = null;
  #isExact = false;
  #hasMisled = false;
  readonly #onAbort = (): void => void this.#writer[Symbol.asyncDispose]();

  private constructor(
    directory: SocketDirectory,
    { store, meter, signal }: { store: NixInstallation; meter: UsageMeter; signal: AbortSignal },
  ) {
    this.#directory = directory;
    this.#store = store;
    this.#meter = meter;
    this.#signal = signal;
    this.#builds = new BuildTurns(() => meter.current().oomKills ?? 0);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    const settings = Object.entries(EVALUATOR_SETTINGS).map(
      ([name, value]) => `${name} = ${value}`,
    );
    const environment = withNixConfig(store.environment, settings);
    environment["NIX_REMOTE"] = storeAddress(directory.socketPath, store);
    this.nix = { ...store, environment };
    // Not in this turn: the kernel would let the first evaluator wait for its group until these have entered theirs.
    const open = (): Promise<DaemonConnection> =>
      nextTurn().then(() => this.#openConnection(TERSE_MINOR));
    // Evaluators wait for this one, as what they add first is mostly a source; nobody waits for the writer.
    this.#spare = open();
    this.#spare.catch(() => {});
    this.#writer = new TextWriter(open(), (each) => this.#closeConnection(each));
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /**
   * Processes that work for the evaluators are in the meter's group. When the signal fires, nothing is written any more. The socket
   * lies below the state directory, if its path is short enough.
   */
  static async open(
    store: NixInstallation,
    {
      meter,
      signal,
      stateDirectory,
    }: { meter: UsageMeter; signal: AbortSignal; stateDirectory: string },
  ): Promise<StoreRelay> {
    const directory = await openSocketDirectory(stateDirectory);
    const relay = new StoreRelay(directory, { store, meter, signal });
    try {
      await new Promise<void>((resolve, reject) => {
        relay.#server.once("error", reject);
        relay.#server.listen(directory.socketPath, resolve);
      });
    } catch (error) {
      await relay[Symbol.asyncDispose]();
      throw error;
    }
    if (signal.aborted) relay.#onAbort();
    return relay;
  }

  /** Resolves when what evaluators have added by now is in the store. Rejects when something could not be written. */
  async settled(storePath: string): Promise<void> {
    await this.#writer.settled(storePath);
  }

  /** Whether evaluators that connect from now on tell what sources refer to. It takes longer, and is rarely needed. */
  get isExact(): boolean {
    return this.#isExact;
  }

  beExact(): void {
    this.#isExact = true;
  }

  /**
   * Why nothing can be written through here, as the process that would do it does not speak our protocol; null when it can. Rejects
   * with Nix's reason when the store cannot be opened at all.
   */
  refusal(): Promise<string | null> {
    this.#refusal ??= this.#writer.refusal().then(async (reason) => {
      if (reason !== null) await this.#closeConnection(await this.#openConnection(NEWEST_MINOR));
      return reason;
    });
    return this.#refusal;
  }

  /** An evaluator asked otherwise than was foreseen. What those that connected before do from here on may be wrong. */
  get hasMisled(): boolean {
    return this.#hasMisled;
  }

  /** Resolves when what evaluators have asked by now is known to be foreseen, or not; null when it is. */
  caughtUp(): Promise<unknown> | null {
    const ahead = [...this.#clients.keys()].filter((client) => client.isAhead);
    return ahead.length === 0 ? null : Promise.all(ahead.map((client) => client.caughtUp()));
  }

  /** Evaluators have told all: what they have added is written without waiting for more. */
  hurry(): void {
    this.#writer.hurry();
  }

  /** Throws why a text could not be written: evaluators that went wrong meanwhile are not to blame. */
  check(): void {
    if (this.#writer.failure !== null) throw this.#writer.failure.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#clients.values());
    const spare = this.#spare?.then((connection) => this.#closeConnection(connection));
    await Promise.all([
      this.#writer[Symbol.asyncDispose](),
      spare?.catch(() => {}),
      this.#directory[Symbol.asyncDispose](),
    ]);
  }

  #serve(socket: Socket): void {
    // The reader notices by itself.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    const client = new RelayedClient(socket, this.#isExact ? OLDEST_MINOR : TERSE_MINOR, {
      writer: this.#writer,
      builds: this.#builds,
      openConnection: (minor) => this.#takeSpare(minor) ?? this.#openConnection(minor),
      closeConnection: (connection) => this.#closeConnection(connection),
      isInStore: (storePath) =>
        existsSync(join(this.#store.physicalStoreDirectory, basename(storePath))),
      onInexact: () => this.beExact(),
      onMisled: () => {
        this.#hasMisled = true;
        this.beExact();
      },
    });
    const served = client.serve().finally(() => {
      this.#sockets.delete(socket);
      this.#clients.delete(client);
    });
    this.#clients.set(client, served);
  }

  #takeSpare(minor: number): Promise<DaemonConnection> | null {
    if (minor !== TERSE_MINOR) return null;
    const spare = this.#spare;
    this.#spare = null;
    return spare;
  }

  async #openConnection(minor: number): Promise<DaemonConnection> {
    const { enter } = this.#meter;
    const connection = await DaemonConnection.open(this.#store, { enter, minor });
    const { pid } = connection;
    const hasEntered = this.#store.daemonSocket === null && enter.length > 0;
    // A meter that may not move a process would look at that one alone.
    const canAdd = enter.length === 0 || process.getuid?.() === 0;
    if (pid !== null && !hasEntered && canAdd) await this.#meter.add(pid);
    return connection;
  }

  async #closeConnection(connection: DaemonConnection): Promise<void> {
    // The system's daemon cleans up after its builds; what ends what is left in the group must not end that.
    const { pid } = connection;
    if (this.#store.daemonSocket !== null && pid !== null) await this.#meter.remove(pid);
    await connection[Symbol.asyncDispose]();
  }
}

/** `unix:` store at a socket, whose paths lie where those of the other store do. */
function storeAddress(socketPath: string, { physicalStoreDirectory }: NixInstallation): string {
  const address = `unix://${socketPath}`;
  if (physicalStoreDirectory === STORE_DIR) return address;
  return `${address}?real=${encodeURIComponent(physicalStoreDirectory)}`;
}
