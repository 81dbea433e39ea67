import type { Socket } from "node:net";
import { drained } from "../../process/drained.ts";
import type { DaemonConnection } from "../daemon/connection.ts";
import { Request } from "../daemon/request.ts";
import type { BuildAnswer } from "./build-answer.ts";
import { readHasReferences } from "./evaluator-messages.ts";

export interface OwnConnectionTools {
  readonly open: () => Promise<DaemonConnection>;
  readonly close: (connection: DaemonConnection) => Promise<void>;
}

/** A client's own connection to Nix, opened for the first request that is passed on. What Nix answers goes to the client as it comes. */
export class OwnConnection {
  readonly #client: Socket;
  readonly #tools: OwnConnectionTools;
  #connection: DaemonConnection | null = null;
  /** The last request to set options, for a connection that is opened later. */
  #options: Buffer | null = null;
  /** What has come of the facts of a path, until it is known whether it refers to anything. */
  #facts: Buffer | null = null;
  #hasToldReferences = false;
  #build: BuildAnswer | null = null;
  #opening: Promise<DaemonConnection> | null = null;
  #isClosed = false;

  constructor(client: Socket, tools: OwnConnectionTools) {
    this.#client = client;
    this.#tools = tools;
  }

  /** The client was told by Nix that a path refers to others. */
  get hasToldReferences(): boolean {
    return this.#hasToldReferences;
  }

  /** null when nothing is open, and so nobody answers. */
  setOptions(request: Buffer): Promise<void> | null {
    this.#options = request;
    return this.#connection?.send(request) ?? null;
  }

  /** Sends a request for the facts of a path. */
  askForFacts(request: Buffer): Promise<void> {
    this.#facts = Buffer.alloc(0);
    return this.send(request);
  }

  /** Sends a request to build something. The answer ends also when nobody answers any more. */
  async build(request: Buffer, answer: BuildAnswer): Promise<void> {
    this.#build = answer;
    if (this.#isClosed) answer.end();
    else await this.send(request);
  }

  /** Sends a request, or a part of one. */
  send(bytes: Buffer): Promise<void> {
    return this.#connection === null ? this.#sendFirst(bytes) : this.#connection.send(bytes);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#opening?.catch(() => null);
    if (connection) await this.#tools.close(connection);
    this.#build?.end();
  }

  async #sendFirst(bytes: Buffer): Promise<void> {
    if (this.#isClosed) return;
    this.#opening = this.#tools.open();
    const connection = await this.#opening;
    this.#connection = connection;
    if (this.#options !== null) {
      await connection.call({ request: new Request().raw(this.#options), answer: async () => {} });
    }
    void this.#passAnswers(connection);
    await connection.send(bytes);
  }

  async #passAnswers(connection: DaemonConnection): Promise<void> {
    try {
      for (;;) {
        const bytes = await connection.receive();
        this.#readFacts(bytes);
        this.#build?.take(bytes);
        const isTaken = this.#client.write(bytes);
        if (!isTaken) await drained(this.#client);
      }
    } catch {
      // The client is told by the end of its connection.
      this.#client.destroy();
    }
  }

  #readFacts(bytes: Buffer): void {
    if (this.#facts === null) return;
    this.#facts = Buffer.concat([this.#facts, bytes]);
    const hasReferences = readHasReferences(this.#facts);
    if (hasReferences === null) return;
    this.#facts = null;
    this.#hasToldReferences ||= hasReferences;
  }
}
