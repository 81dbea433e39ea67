import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { NarReader, isDrvPath } from "@gradient/protocol";
import { drained } from "../../process/drained.ts";
import { reasonOf } from "../../error-facts.ts";
import {
  CLIENT_MAGIC,
  type DaemonConnection,
  OLDEST_MINOR,
  SERVER_MAGIC,
} from "../daemon/connection.ts";
import { LAST } from "../daemon/frames.ts";
import {
  ADD_TEXT_TO_STORE,
  ADD_TO_STORE,
  QUERY_PATH_INFO,
  SET_OPTIONS,
  TEXT_METHOD,
} from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { errorFrame, fieldsOf, readContent, readHasReferences } from "./evaluator-messages.ts";
import { Foresight } from "./foresight.ts";
import { RequestReader } from "./request-reader.ts";
import { type TextFile, UNREAD_FACTS, addTextRequest, addedText, textFileOf } from "./text-file.ts";
import type { TextWriter } from "./text-writer.ts";

/**
 * The last minor version in which a text is one message. Later ones take Nix three messages and a thread of its own for each text, and
 * only they can tell what a source refers to, which versions before 2.19 do.
 */
export const TERSE_MINOR = 24;
/**
 * Of evaluators, for whom alone they are: facts of a path that they were told of may be known before the path is written, and so they
 * have to ask each time before they read it.
 */
export const EVALUATOR_SETTINGS: Readonly<Record<string, string>> = {
  "narinfo-cache-positive-ttl": "0",
  "narinfo-cache-negative-ttl": "0",
};
const IS_VALID_PATH = 1;
const ADD_TEMP_ROOT = 11;
const OPTIONS = 12;
const DRV_SUFFIX = ".drv";
/** No NAR is smaller. The contents of one that is a single file begin in it. */
const NAR_HEAD_BYTES = 112;
const DRV_START = "Derive(";
/** What evaluators are told, who do nothing with it. */
const VERSION = "relay";
/** No request is as large. */
const MAX_REQUEST_BYTES = 256 * 1024 * 1024;

export interface RelayTools {
  readonly writer: TextWriter;
  /** Opens a connection for what one evaluator asks of the store beside texts. */
  readonly openConnection: (minor: number) => Promise<DaemonConnection>;
  readonly closeConnection: (connection: DaemonConnection) => Promise<void>;
  /** Whether there is a file for a store path, valid or not. */
  readonly isInStore: (path: string) => boolean;
  /** This evaluator would have to tell what a source refers to. */
  readonly onInexact: () => void;
  /** This evaluator asks otherwise than was foreseen: it may have taken an answer for that to something else. */
  readonly onMisled: () => void;
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
  readonly #minor: number;
  readonly #foresight = new Foresight();
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
  /** What has come of the facts of a path, until it is known whether it refers to anything. */
  #facts: Buffer | null = null;
  /** This client was told that a path refers to others: a source that it makes of that may refer to them, too. */
  #knowsReferences = false;
  /** Derivations that this client was told to be not there. */
  readonly #new = new Set<string>();
  #connection: DaemonConnection | null = null;
  /** The last request to set options, for a connection that is opened later. */
  #options: Buffer | null = null;
  #step: () => Step = () => this.#greet();

  /**
   * `minor` is the version of the protocol that is spoken: `TERSE_MINOR`, or one in which sources have references. In that nothing is
   * answered before it is asked.
   */
  constructor(socket: Socket, minor: number, tools: RelayTools) {
    this.#socket = socket;
    this.#minor = minor;
    this.#tools = tools;
  }

  /** Resolves when the client has gone, or was sent away; never rejects. */
  async serve(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => {
      if (this.#state === "gone") return;
      this.#arrived.push(chunk);
      this.#arrivedBytes += chunk.length;
      if (this.#state === "reads") this.#goOn();
    });
    await closed;
    // Nobody would fill up what is gathered.
    void this.#tools.writer.flush().catch(() => {});
    if (this.#connection !== null) await this.#tools.closeConnection(this.#connection);
  }

  /** It was answered more than it is known to have asked. */
  get isAhead(): boolean {
    return this.#state !== "gone" && this.#foresight.isAhead;
  }

  /** Resolves when all that it has sent by now is read, or before if it is not ahead. */
  async caughtUp(): Promise<void> {
    // The event loop may have looked at the socket before in this turn, and does so in the next.
    let turns = 0;
    while (this.isAhead && turns < 2) {
      await this.#lastStep;
      await nextTurn();
      turns = this.#state === "works" ? 0 : turns + 1;
    }
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
    this.#write(errorFrame(reasonOf(error), this.#minor));
    // The rest of what it sends is read: it would not hear the reason from a connection that is closed before.
    this.#socket.resume();
    this.#socket.end();
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
    this.#write(new Request().number(SERVER_MAGIC).number((1 << 8) | this.#minor));
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
    if (theirs < ((1 << 8) | this.#minor)) {
      throw new DaemonProtocolError(`an evaluator speaks protocol ${theirs >> 8}.${theirs & 0xff}`);
    }
    this.#take(reader);
    const greeting = new Request();
    if (this.#minor >= OLDEST_MINOR) greeting.string(VERSION);
    this.#write(greeting.number(LAST));
    this.#step = () => this.#serveRequest();
    return "done";
  }

  #serveRequest(): Step {
    const reader = new RequestReader(this.#held);
    const operation = reader.number();
    if (reader.isShort) return this.#waitFor(reader);
    switch (operation) {
      case IS_VALID_PATH:
      case ADD_TEMP_ROOT:
      case QUERY_PATH_INFO:
        return this.#askOfPath(operation, reader);
    }
    if (operation === ADD_TEXT_TO_STORE) return this.#addText(reader);
    this.#takeForeseen(operation, "");
    switch (operation) {
      case SET_OPTIONS:
        return this.#setOptions(reader);
      case ADD_TO_STORE:
        return this.#minor === TERSE_MINOR ? this.#addSource(reader) : this.#addToStore(reader);
      default:
        return this.#passOn(operation, reader);
    }
  }

  #setOptions(reader: RequestReader): Step {
    for (let index = 0; index < OPTIONS; index += 1) reader.number();
    const sizeBytes = reader.at;
    const count = reader.number();
    const overrides: { name: Buffer; value: Buffer }[] = [];
    while (overrides.length < count && !reader.isShort) {
      overrides.push({ name: reader.bytes(), value: reader.bytes() });
    }
    if (reader.isShort) return this.#waitFor(reader);
    const others = overrides.filter(({ name }) => !(name.toString() in EVALUATOR_SETTINGS));
    const options = new Request().raw(this.#take(reader).subarray(0, sizeBytes));
    options.number(others.length);
    for (const { name, value } of others) options.byteString(name).byteString(value);
    this.#options = options.bytes();
    if (this.#connection !== null) return this.#connection.send(this.#options);
    this.#write(new Request().number(LAST));
    return "done";
  }

  #addText(reader: RequestReader): Step {
    const name = reader.string();
    const contents = reader.bytes();
    const references = reader.strings();
    if (reader.isShort) return this.#waitFor(reader);
    const text = textFileOf(name, contents, references);
    const request = this.#take(reader);
    const { path } = text ?? { path: "" };
    const foreseen = this.#takeForeseen(ADD_TEXT_TO_STORE, path);
    if (text === null) return this.#passAfterTexts(request);
    const wait = this.#giveToWriter(text, request);
    if (foreseen === null) return wait ?? "done";
    const { answer, next } = addedText(path);
    return this.#writeAfter(wait, foreseen ?? this.#foresight.join(answer(), next));
  }

  /** In protocols that are not terse. An evaluator sends the content of what it adds after the rest. */
  #addToStore(reader: RequestReader): Step {
    const name = reader.string();
    const method = reader.string();
    const references = reader.strings();
    const isRepair = reader.number() !== 0;
    if (reader.isShort) return this.#waitFor(reader);
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
    this.#take(reader);
    const answer = new Request().number(LAST).string(text.path).raw(UNREAD_FACTS);
    return this.#writeAfter(this.#giveToWriter(text, addTextRequest(text)), answer);
  }

  /** What to wait for before it is answered. */
  #giveToWriter(text: TextFile, request: Buffer): Promise<void> | null {
    const { writer } = this.#tools;
    const room = writer.add(text, request);
    if (text.name.endsWith(DRV_SUFFIX)) return room;
    // An evaluator reads what `builtins.toFile` has made, and asks nobody.
    this.#knowsReferences ||= text.references.length > 0;
    return writer.needed(text.path);
  }

  #writeAfter(wait: Promise<void> | null, answer: Request): Step {
    if (wait !== null) return wait.then(() => this.#write(answer));
    this.#write(answer);
    return "done";
  }

  /** A NAR follows the request, and ends by itself. */
  #addSource(reader: RequestReader): Step {
    reader.string(); // name
    reader.number(); // how it is hashed, as is the next
    reader.number();
    reader.string(); // algorithm
    const sizeBytes = reader.at;
    const head = reader.head(NAR_HEAD_BYTES);
    if (reader.isShort) return this.#waitFor(reader);
    if (this.#knowsReferences || head.includes(DRV_START)) {
      this.#tools.onInexact();
      throw new DaemonProtocolError("this evaluator cannot tell what a source refers to");
    }
    return this.#passSourceOn(this.#takeBytes(sizeBytes));
  }

  async #passSourceOn(header: Buffer): Promise<void> {
    const connection = await this.#connected();
    await connection.send(header);
    const nar = new NarReader({}, { maxDepth: Number.MAX_SAFE_INTEGER });
    this.#step = () => this.#passNar(connection, nar);
  }

  /** As much as is here. */
  #passNar(connection: DaemonConnection, nar: NarReader): Step {
    if (this.#held.length === 0) return "more";
    const bytes = this.#takeBytes(this.#held.length);
    nar.write(bytes);
    if (nar.isComplete) this.#step = () => this.#serveRequest();
    return connection.send(bytes);
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
    return sizeBytes === 0 ? this.#waitFor(reader) : connection.send(this.#takeBytes(sizeBytes));
  }

  #askOfPath(operation: number, reader: RequestReader): Step {
    const path = reader.string();
    if (reader.isShort) return this.#waitFor(reader);
    const request = this.#take(reader);
    const foreseen = this.#takeForeseen(operation, path);
    if (foreseen === null) return "done";
    if (foreseen !== undefined) return this.#writeAfter(null, foreseen);
    if (operation === QUERY_PATH_INFO || !this.#isNew(path)) {
      return this.#answerOfPath(operation, path, request);
    }
    const answer = new Request().number(LAST).boolean(operation === ADD_TEMP_ROOT);
    if (operation === IS_VALID_PATH || this.#minor !== TERSE_MINOR) {
      return this.#writeAfter(null, answer);
    }
    const next = {
      operation: IS_VALID_PATH,
      path,
      answer: () => new Request().number(LAST).boolean(false),
      next: addedText(path),
    };
    return this.#writeAfter(null, this.#foresight.join(answer, next));
  }

  #takeForeseen(operation: number, path: string): Request | null | undefined {
    try {
      return this.#foresight.take(operation, path);
    } catch (error) {
      this.#tools.onMisled();
      throw error;
    }
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
    const connection = await this.#connected();
    if (operation === QUERY_PATH_INFO) this.#facts = Buffer.alloc(0);
    await connection.send(request);
  }

  #passOn(operation: number, reader: RequestReader): Step {
    const fields = fieldsOf(operation, this.#minor);
    if (fields === undefined) return this.#leave();
    for (const field of fields) reader[field]();
    return reader.isShort ? this.#waitFor(reader) : this.#passAfterTexts(this.#take(reader));
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
    const connection = await this.#tools.openConnection(this.#minor);
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
        const bytes = await connection.receive();
        this.#readFacts(bytes);
        const isTaken = this.#socket.write(bytes);
        if (!isTaken) await drained(this.#socket);
      }
    } catch {
      // The client is told by the end of its connection.
      this.#socket.destroy();
    }
  }

  #readFacts(bytes: Buffer): void {
    if (this.#facts === null) return;
    this.#facts = Buffer.concat([this.#facts, bytes]);
    const hasReferences = readHasReferences(this.#facts);
    if (hasReferences === null) return;
    this.#facts = null;
    this.#knowsReferences ||= hasReferences;
  }

  #waitFor({ neededBytes }: RequestReader): Step {
    this.#neededBytes = neededBytes;
    if (neededBytes <= MAX_REQUEST_BYTES) return "more";
    throw new DaemonProtocolError(`an evaluator sent a request of ${neededBytes} bytes`);
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
