import type { Socket } from "node:net";
import { isDrvPath } from "@gradient/protocol";
import { drained } from "../../process/drained.ts";
import { reasonOf } from "../../error-facts.ts";
import {
  CLIENT_MAGIC,
  type DaemonConnection,
  OLDEST_MINOR,
  SERVER_MAGIC,
} from "../daemon/connection.ts";
import { ERROR, LAST } from "../daemon/frames.ts";
import { ADD_TO_STORE, QUERY_PATH_INFO, SET_OPTIONS, TEXT_METHOD } from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { RequestReader } from "./request-reader.ts";
import { type TextFile, addedAnswer, textFileOf } from "./text-file.ts";
import type { TextWriter } from "./text-writer.ts";

const IS_VALID_PATH = 1;
const ADD_TEMP_ROOT = 11;
const OPTIONS = 12;
const DRV_SUFFIX = ".drv";
/** What evaluators are told, who do nothing with it. */
const VERSION = "relay";
/** Larger texts are passed on while they come, as is the content of what is no text. */
const MAX_TEXT_BYTES = 1024 * 1024;
/** No other request is as large. */
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;

type Field = "number" | "string" | "strings";

/** What the other requests that an evaluator makes are made of. */
const FIELDS: ReadonlyMap<number, readonly Field[]> = new Map([
  [6, ["string"]], // QueryReferrers
  [9, ["strings", "number"]], // BuildPaths
  [10, ["string"]], // EnsurePath
  [29, ["string"]], // QueryPathFromHashPart
  [31, ["strings", "number"]], // QueryValidPaths
  [32, ["strings"]], // QuerySubstitutablePaths
  [33, ["string"]], // QueryValidDerivers
  [38, ["string"]], // NarFromPath
  [40, ["strings"]], // QueryMissing
  [41, ["string"]], // QueryDerivationOutputMap
  [43, ["string"]], // QueryRealisation
  [46, ["strings", "number"]], // BuildPathsWithResults
]);

export interface RelayTools {
  readonly writer: TextWriter;
  /** Opens a connection for what one evaluator asks of the store beside texts. */
  readonly openConnection: () => Promise<DaemonConnection>;
  readonly closeConnection: (connection: DaemonConnection) => Promise<void>;
  /** Whether there is a file for a store path, valid or not. */
  readonly isInStore: (path: string) => boolean;
}

/** A request to add something, as far as its content. */
interface AddHeader {
  readonly name: string;
  readonly references: readonly string[];
  readonly sizeBytes: number;
}

/** `more`: the bytes that are here do not make a whole step. */
type Step = "done" | "more" | Promise<void>;

/**
 * One evaluator that takes us for a Nix daemon. Its derivations go to the writer, and are answered at once; the rest goes to a
 * connection of its own, as it came, and so do the answers. A client waits for each answer before it asks again, so nothing gets
 * mixed up. It waits with all of its work, so whatever is answered here is answered in the event that brought it.
 */
export class RelayedClient {
  readonly #socket: Socket;
  readonly #tools: RelayTools;
  /** What was received and has not made a whole step. */
  #held: Buffer = Buffer.alloc(0);
  #isBusy = false;
  /** Derivations that this client was told to be not there. */
  readonly #new = new Set<string>();
  #connection: DaemonConnection | null = null;
  /** The last request to set options, for a connection that is opened later. */
  #options: Buffer | null = null;
  #step: () => Step = () => this.#greet();

  constructor(socket: Socket, tools: RelayTools) {
    this.#socket = socket;
    this.#tools = tools;
  }

  /** Resolves when the client has gone, or was sent away; never rejects. */
  async serve(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => {
      this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
      if (!this.#isBusy) this.#goOn();
    });
    await closed;
    // Nobody would fill up what is gathered.
    void this.#tools.writer.flush().catch(() => {});
    if (this.#connection !== null) await this.#tools.closeConnection(this.#connection);
  }

  #goOn(): void {
    try {
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

  #await(step: Promise<void>): void {
    this.#isBusy = true;
    this.#socket.pause();
    step.then(
      () => {
        this.#isBusy = false;
        this.#socket.resume();
        this.#goOn();
      },
      (error: unknown) => this.#sendAway(error),
    );
  }

  #sendAway(error: unknown): void {
    this.#write(errorFrame(reasonOf(error)));
    this.#socket.end(() => this.#socket.destroy());
  }

  /** The rest of the handshake waits for our number. */
  #greet(): Step {
    const reader = new RequestReader(this.#held);
    const magic = reader.number();
    if (reader.isShort) return "more";
    if (magic !== CLIENT_MAGIC) {
      throw new DaemonProtocolError("an evaluator does not speak the worker protocol");
    }
    this.#take(reader);
    this.#write(new Request().number(SERVER_MAGIC).number((1 << 8) | OLDEST_MINOR));
    this.#step = () => this.#agree();
    return "done";
  }

  #agree(): Step {
    const reader = new RequestReader(this.#held);
    const theirs = reader.number();
    const hasAffinity = reader.number() !== 0;
    if (hasAffinity) reader.number();
    reader.number(); // reserved space
    if (reader.isShort) return "more";
    if (theirs < ((1 << 8) | OLDEST_MINOR)) {
      throw new DaemonProtocolError(`an evaluator speaks protocol ${theirs >> 8}.${theirs & 0xff}`);
    }
    this.#take(reader);
    this.#write(new Request().string(VERSION).number(LAST));
    this.#step = () => this.#serveRequest();
    return "done";
  }

  #serveRequest(): Step {
    const reader = new RequestReader(this.#held);
    const operation = reader.number();
    if (reader.isShort) return this.#waitForMore();
    switch (operation) {
      case SET_OPTIONS:
        return this.#setOptions(reader);
      case ADD_TO_STORE:
        return this.#addToStore(reader);
      case IS_VALID_PATH:
      case ADD_TEMP_ROOT:
      case QUERY_PATH_INFO:
        return this.#askOfPath(operation, reader);
      default:
        return this.#passOn(operation, reader);
    }
  }

  #setOptions(reader: RequestReader): Step {
    for (let index = 0; index < OPTIONS; index += 1) reader.number();
    const overrides = reader.number();
    for (let index = 0; index < 2 * overrides && !reader.isShort; index += 1) reader.string();
    if (reader.isShort) return this.#waitForMore();
    this.#options = this.#take(reader);
    if (this.#connection !== null) return this.#connection.send(this.#options);
    this.#write(new Request().number(LAST));
    return "done";
  }

  /** An evaluator sends the content of what it adds after the rest. */
  #addToStore(reader: RequestReader): Step {
    const name = reader.string();
    const method = reader.string();
    const references = reader.strings();
    const isRepair = reader.number() !== 0;
    if (reader.isShort) return this.#waitForMore();
    const header = { name, references, sizeBytes: reader.at };
    if (method !== TEXT_METHOD || isRepair) return this.#passContentOn(header);
    this.#step = () => this.#addContent(header);
    return "done";
  }

  #addContent(header: AddHeader): Step {
    const { name, references, sizeBytes } = header;
    const reader = new RequestReader(this.#held, sizeBytes);
    const contents = readContent(reader);
    if (contents === "more") return "more";
    this.#step = () => this.#serveRequest();
    const text = contents === null ? null : textFileOf(name, contents, references);
    if (text === null) return this.#passContentOn(header);
    return this.#addText({ ...text, request: this.#take(reader) });
  }

  #addText(text: TextFile): Step {
    const { writer } = this.#tools;
    const room = writer.add(text);
    // An evaluator reads what `builtins.toFile` has made, and asks nobody.
    const wait = text.name.endsWith(DRV_SUFFIX) ? room : writer.needed(text.path);
    if (wait !== null) return wait.then(() => this.#write(addedAnswer(text)));
    this.#write(addedAnswer(text));
    return "done";
  }

  async #passContentOn({ references, sizeBytes }: AddHeader): Promise<void> {
    const header = this.#takeBytes(sizeBytes);
    if (references.length > 0) await this.#tools.writer.flush();
    const connection = await this.#connected();
    await connection.send(header);
    this.#step = () => this.#passFrames(connection);
  }

  /** As many as are here. */
  #passFrames(connection: DaemonConnection): Step {
    const reader = new RequestReader(this.#held);
    let sizeBytes = 0;
    for (;;) {
      const frame = reader.frame();
      if (reader.isShort) break;
      sizeBytes = reader.at;
      if (frame.length > 0) continue;
      this.#step = () => this.#serveRequest();
      break;
    }
    return sizeBytes === 0 ? this.#waitForMore() : connection.send(this.#takeBytes(sizeBytes));
  }

  #askOfPath(operation: number, reader: RequestReader): Step {
    const path = reader.string();
    if (reader.isShort) return this.#waitForMore();
    const request = this.#take(reader);
    if (operation === QUERY_PATH_INFO || !this.#isNew(path)) {
      return this.#answerOfPath(operation, path, request);
    }
    this.#write(new Request().number(LAST).boolean(operation === ADD_TEMP_ROOT));
    return "done";
  }

  /**
   * Later versions of Nix make a root of a derivation, and ask for it, before they add it. What was no file at the first question is
   * new at the second, too: the client adds it, and the writer's process keeps it, whoever has added it meanwhile.
   */
  #isNew(path: string): boolean {
    const { writer, isInStore } = this.#tools;
    if (!isDrvPath(path) || writer.has(path)) return false;
    if (!this.#new.has(path) && isInStore(path)) return false;
    this.#new.add(path);
    return true;
  }

  async #answerOfPath(operation: number, path: string, request: Buffer): Promise<void> {
    const { writer } = this.#tools;
    await writer.needed(path);
    // The writer's process keeps it, too.
    if (operation !== QUERY_PATH_INFO && writer.has(path)) {
      return this.#write(new Request().number(LAST).boolean(true));
    }
    await (await this.#connected()).send(request);
  }

  #passOn(operation: number, reader: RequestReader): Step {
    const fields = FIELDS.get(operation);
    if (fields === undefined) return this.#leave();
    for (const field of fields) reader[field]();
    return reader.isShort ? this.#waitForMore() : this.#passAfterTexts(this.#take(reader));
  }

  async #passAfterTexts(request: Buffer): Promise<void> {
    // It may fetch derivations.
    this.#new.clear();
    await this.#tools.writer.flush();
    await (await this.#connected()).send(request);
  }

  /** Where the request ends is not known: from here on the client talks to Nix alone. */
  async #leave(): Promise<void> {
    await this.#tools.writer.flush();
    const connection = await this.#connected();
    this.#step = () =>
      this.#held.length === 0 ? "more" : connection.send(this.#takeBytes(this.#held.length));
  }

  async #connected(): Promise<DaemonConnection> {
    if (this.#connection !== null) return this.#connection;
    const connection = await this.#tools.openConnection();
    this.#connection = connection;
    if (this.#options !== null) {
      await connection.call({ request: new Request().raw(this.#options), answer: async () => {} });
    }
    void this.#passAnswers(connection);
    return connection;
  }

  async #passAnswers(connection: DaemonConnection): Promise<void> {
    try {
      for (;;) {
        const isTaken = this.#socket.write(await connection.receive());
        if (!isTaken) await drained(this.#socket);
      }
    } catch {
      // The client is told by the end of its connection.
      this.#socket.destroy();
    }
  }

  #waitForMore(): Step {
    if (this.#held.length <= MAX_REQUEST_BYTES) return "more";
    throw new DaemonProtocolError(`an evaluator sent a request of ${this.#held.length} bytes`);
  }

  #take(reader: RequestReader): Buffer {
    return this.#takeBytes(reader.at);
  }

  #takeBytes(sizeBytes: number): Buffer {
    const bytes = this.#held.subarray(0, sizeBytes);
    this.#held = this.#held.subarray(sizeBytes);
    return bytes;
  }

  /** Answers of ours are short, and the client waits for each. */
  #write(request: Request): void {
    if (this.#socket.writable) this.#socket.write(request.bytes());
  }
}

/** The content that follows a request; null when it is large. */
function readContent(reader: RequestReader): Buffer | "more" | null {
  const frames: Buffer[] = [];
  for (const begin = reader.at; reader.at - begin <= MAX_TEXT_BYTES;) {
    const frame = reader.frame();
    if (reader.isShort) return "more";
    if (frame.length === 0) return Buffer.concat(frames);
    frames.push(frame);
  }
  return null;
}

/** An error without a position or traces. */
function errorFrame(message: string): Request {
  return new Request()
    .number(ERROR)
    .string("Error")
    .number(0) // level: error
    .string("Error")
    .string(message)
    .number(0)
    .number(0);
}
