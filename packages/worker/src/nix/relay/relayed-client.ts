import type { Socket } from "node:net";
import { isDrvPath } from "@gradient/protocol";
import { reasonOf } from "../../error-facts.ts";
import type { DaemonConnection } from "../daemon/connection.ts";
import { LAST } from "../daemon/frames.ts";
import {
  ADD_TEXT_TO_STORE,
  ADD_TO_STORE,
  BUILD_PATHS,
  BUILD_PATHS_WITH_RESULTS,
  QUERY_PATH_INFO,
  SET_OPTIONS,
  TEXT_METHOD,
} from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { BuildAnswer } from "./build-answer.ts";
import type { BuildTurns } from "./build-turns.ts";
import {
  errorFrame,
  fieldsOf,
  readContent,
  startWaiting,
  stopWaiting,
} from "./evaluator-messages.ts";
import { readOptions } from "./evaluator-settings.ts";
import { Foresight } from "./foresight.ts";
import { greet } from "./handshake.ts";
import { OwnConnection } from "./own-connection.ts";
import { passEverything, passFrames, passNar } from "./passed-content.ts";
import type { RequestReader } from "./request-reader.ts";
import { type Step, SteppedSocket } from "./stepped-socket.ts";
import { type TextFile, UNREAD_FACTS, addTextRequest, addedText, textFileOf } from "./text-file.ts";
import type { TextWriter } from "./text-writer.ts";

/**
 * The last minor version in which a text is one message. Later ones take Nix three messages and a thread of its own for each text, and
 * only they can tell what a source refers to, which versions before 2.19 do.
 */
export const TERSE_MINOR = 24;
const IS_VALID_PATH = 1;
const ADD_TEMP_ROOT = 11;
const DRV_SUFFIX = ".drv";
/** No NAR is smaller. The contents of one that is a single file begin in it. */
const NAR_HEAD_BYTES = 112;
const DRV_START = "Derive(";

export interface RelayTools {
  readonly writer: TextWriter;
  readonly builds: BuildTurns;
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

/**
 * One evaluator that takes us for a Nix daemon. Its derivations go to the writer, and are answered at once; the rest goes to a
 * connection of its own, as it came, and so do the answers. A client waits for each answer before it asks again, so nothing gets
 * mixed up.
 */
export class RelayedClient {
  readonly #socket: SteppedSocket;
  readonly #nix: OwnConnection;
  readonly #tools: RelayTools;
  readonly #minor: number;
  readonly #foresight = new Foresight();
  /** It has a text that refers to others: a source that it makes of that may refer to them, too. */
  #knowsReferences = false;
  /** Derivations that this client was told to be not there. */
  readonly #new = new Set<string>();
  readonly #nextRequest = (): Step => this.#serveRequest();

  /**
   * `minor` is the version of the protocol that is spoken: `TERSE_MINOR`, or one in which sources have references. In that nothing is
   * answered before it is asked.
   */
  constructor(socket: Socket, minor: number, tools: RelayTools) {
    this.#minor = minor;
    this.#tools = tools;
    const { openConnection: open, closeConnection: close } = tools;
    this.#nix = new OwnConnection(socket, { open: () => open(minor), close });
    this.#socket = new SteppedSocket(
      socket,
      () => greet(this.#socket, minor, this.#nextRequest),
      (error) => errorFrame(reasonOf(error), minor),
    );
  }

  /** Resolves when the client has gone, or was sent away; never rejects. */
  async serve(): Promise<void> {
    await this.#socket.read();
    // Nobody would fill up what is gathered.
    void this.#tools.writer.flush().catch(() => {});
    await this.#nix.close();
  }

  /** It was answered more than it is known to have asked. */
  get isAhead(): boolean {
    return !this.#socket.isGone && this.#foresight.isAhead;
  }

  /** Resolves when all that it has sent by now is read, or before if it is not ahead. */
  async caughtUp(): Promise<void> {
    await this.#socket.caughtUp(() => !this.isAhead);
  }

  #serveRequest(): Step {
    const reader = this.#socket.reader();
    const operation = reader.number();
    if (reader.isShort) return this.#socket.waitFor(reader);
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
      case BUILD_PATHS:
      case BUILD_PATHS_WITH_RESULTS:
        return this.#build(reader);
      default:
        return this.#passOn(operation, reader);
    }
  }

  #setOptions(reader: RequestReader): Step {
    const options = readOptions(reader);
    if (options === null) return this.#socket.waitFor(reader);
    this.#socket.take(reader.at);
    return this.#nix.setOptions(options) ?? this.#answer(new Request().number(LAST));
  }

  #addText(reader: RequestReader): Step {
    const name = reader.string();
    const contents = reader.bytes();
    const references = reader.strings();
    if (reader.isShort) return this.#socket.waitFor(reader);
    const text = textFileOf(name, contents, references);
    const request = this.#socket.take(reader.at);
    const { path } = text ?? { path: "" };
    const foreseen = this.#takeForeseen(ADD_TEXT_TO_STORE, path);
    if (text === null) return this.#passAfterTexts(request);
    const wait = this.#giveToWriter(text, request);
    if (foreseen === null) return wait ?? "done";
    const { answer, next } = addedText(path);
    return this.#answerAfter(wait, foreseen ?? this.#foresight.join(answer(), next));
  }

  /** In protocols that are not terse. An evaluator sends the content of what it adds after the rest. */
  #addToStore(reader: RequestReader): Step {
    const name = reader.string();
    const method = reader.string();
    const references = reader.strings();
    const isRepair = reader.number() !== 0;
    if (reader.isShort) return this.#socket.waitFor(reader);
    const header = { name, references, sizeBytes: reader.at };
    if (method !== TEXT_METHOD || isRepair) return this.#passContentOn(header);
    this.#socket.goOnWith(() => this.#addContent(header));
    return "done";
  }

  #addContent(header: AddHeader): Step {
    const { name, references, sizeBytes } = header;
    const reader = this.#socket.reader(sizeBytes);
    const contents = readContent(reader);
    if (contents === "more") return "more";
    this.#socket.goOnWith(this.#nextRequest);
    const text = contents === null ? null : textFileOf(name, contents, references);
    if (text === null) return this.#passContentOn(header);
    this.#socket.take(reader.at);
    const answer = new Request().number(LAST).string(text.path).raw(UNREAD_FACTS);
    return this.#answerAfter(this.#giveToWriter(text, addTextRequest(text)), answer);
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

  #answer(answer: Request): Step {
    this.#socket.write(answer);
    return "done";
  }

  #answerAfter(wait: Promise<void> | null, answer: Request): Step {
    return wait === null ? this.#answer(answer) : wait.then(() => this.#socket.write(answer));
  }

  /** A NAR follows the request, and ends by itself. */
  #addSource(reader: RequestReader): Step {
    reader.string(); // name
    reader.number(); // how it is hashed, as is the next
    reader.number();
    reader.string(); // algorithm
    const sizeBytes = reader.at;
    const head = reader.head(NAR_HEAD_BYTES);
    if (reader.isShort) return this.#socket.waitFor(reader);
    const knowsReferences = this.#knowsReferences || this.#nix.hasToldReferences;
    if (knowsReferences || head.includes(DRV_START)) {
      this.#tools.onInexact();
      throw new DaemonProtocolError("this evaluator cannot tell what a source refers to");
    }
    return this.#passSourceOn(this.#socket.take(sizeBytes));
  }

  async #passSourceOn(header: Buffer): Promise<void> {
    await this.#nix.send(header);
    passNar(this.#socket, this.#nix, this.#nextRequest);
  }

  async #passContentOn({ references, sizeBytes }: AddHeader): Promise<void> {
    const header = this.#socket.take(sizeBytes);
    if (references.length > 0) await this.#tools.writer.flush();
    await this.#nix.send(header);
    passFrames(this.#socket, this.#nix, this.#nextRequest);
  }

  #askOfPath(operation: number, reader: RequestReader): Step {
    const path = reader.string();
    if (reader.isShort) return this.#socket.waitFor(reader);
    const request = this.#socket.take(reader.at);
    const foreseen = this.#takeForeseen(operation, path);
    if (foreseen === null) return "done";
    if (foreseen !== undefined) return this.#answer(foreseen);
    if (operation === QUERY_PATH_INFO || !this.#isNew(path)) {
      return this.#answerOfPath(operation, path, request);
    }
    const answer = new Request().number(LAST).boolean(operation === ADD_TEMP_ROOT);
    if (operation === IS_VALID_PATH || this.#minor !== TERSE_MINOR) {
      return this.#answer(answer);
    }
    const next = {
      operation: IS_VALID_PATH,
      path,
      answer: () => new Request().number(LAST).boolean(false),
      next: addedText(path),
    };
    return this.#answer(this.#foresight.join(answer, next));
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
      return this.#socket.write(new Request().number(LAST).boolean(true));
    }
    await (operation === QUERY_PATH_INFO
      ? this.#nix.askForFacts(request)
      : this.#nix.send(request));
  }

  #build(reader: RequestReader): Step {
    const paths = reader.strings();
    reader.number(); // mode
    return reader.isShort
      ? this.#socket.waitFor(reader)
      : this.#buildInTurn(paths, this.#socket.take(reader.at));
  }

  async #buildInTurn(paths: readonly string[], request: Buffer): Promise<void> {
    const { builds, writer } = this.#tools;
    // It may fetch derivations.
    this.#new.clear();
    await writer.flush();
    const turn = await builds.take(paths, (isWaiting) =>
      this.#socket.write(isWaiting ? startWaiting() : stopWaiting()),
    );
    if ("failure" in turn) this.#socket.write(new Request().raw(turn.failure));
    else await this.#nix.build(request, new BuildAnswer(this.#minor, turn.end));
  }

  #passOn(operation: number, reader: RequestReader): Step {
    const fields = fieldsOf(operation, this.#minor);
    if (fields === undefined) return this.#leave();
    for (const field of fields) reader[field]();
    return reader.isShort
      ? this.#socket.waitFor(reader)
      : this.#passAfterTexts(this.#socket.take(reader.at));
  }

  async #passAfterTexts(request: Buffer): Promise<void> {
    // It may fetch derivations.
    this.#new.clear();
    await this.#tools.writer.flush();
    await this.#nix.send(request);
  }

  /** Where the request ends is not known: from here on the client talks to Nix alone. */
  async #leave(): Promise<void> {
    await this.#tools.writer.flush();
    passEverything(this.#socket, this.#nix);
  }
}
