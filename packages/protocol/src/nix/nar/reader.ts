import { NarError, type NarErrorCode } from "./nar-error.ts";
import {
  CLOSE,
  CONTENTS,
  DIRECTORY,
  ENTRY,
  EXECUTABLE,
  faultOfName,
  MAGIC,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  NO_VALUE,
  NODE,
  OPEN_NAME,
  OPEN_TYPE,
  paddedLength,
  paddingOf,
  REGULAR,
  SYMLINK,
  TARGET,
} from "./tokens.ts";

export interface NarFile {
  /** Bytes. */
  readonly size: number;
  readonly isExecutable: boolean;
  /** Where the contents begin in the NAR. */
  readonly offset: number;
}

/**
 * Gets the parts of a NAR in order. The root's name is empty. Names and targets are bytes and the visitor's to keep;
 * a chunk of contents is a view of what was written and holds only during the call.
 */
export interface NarVisitor {
  directoryStart?(name: Buffer): void;
  directoryEnd?(): void;
  fileStart?(name: Buffer, file: NarFile): void;
  fileChunk?(chunk: Uint8Array): void;
  fileEnd?(): void;
  symlink?(name: Buffer, target: Buffer): void;
}

export interface NarLimits {
  /** Names on the longest path: 0 allows only a root. Nix has no limit of its own; 64 is far beyond any package. */
  readonly maxDepth: number;
  /** Bytes of the whole NAR. A declared file size that cannot fit is refused before its contents come. */
  readonly maxNarSize: number;
  /** Directory entries in the whole NAR: a bound for whoever keeps a listing. */
  readonly maxEntries: number;
}

export const DEFAULT_NAR_LIMITS: NarLimits = {
  maxDepth: 64,
  maxNarSize: Number.MAX_SAFE_INTEGER,
  maxEntries: 10_000_000,
};

const EXECUTABLE_FILE = Buffer.concat([NO_VALUE, CONTENTS]);
const NO_NAME = Buffer.alloc(0);

/** The kind of a node, in 16 bytes. `directory` is longer: its last letter and padding come 8 bytes later. */
const KIND_BYTES = 16;
const DIRECTORY_HEAD = DIRECTORY.subarray(0, KIND_BYTES);
const DIRECTORY_TAIL = DIRECTORY.subarray(KIND_BYTES);
const ENTRY_OR_CLOSE_BYTES = 16;

/** Longest piece that has to lie in one place: a symbolic link's target with its padding and closing word. */
const CARRY_BYTES = paddedLength(MAX_TARGET_BYTES) + CLOSE.length;

/** What comes next. Each state takes a known number of bytes. */
type State =
  | "magic"
  | "node"
  | "directory"
  | "entry"
  | "entry-name"
  | "after-entry"
  | "file"
  | "executable-file"
  | "file-end"
  | "symlink"
  | "target"
  | "end";

interface OpenDirectory {
  readonly name: Buffer;
  lastName: Buffer | null;
}

/**
 * Push parser that accepts exactly the NARs that Nix writes and refuses at the first byte that is wrong.
 * It holds no contents: memory is one piece of at most 4 KiB and the names of the open directories.
 * After a failure, its own or the visitor's, every further call throws the same error.
 */
export class NarReader {
  readonly #visitor: NarVisitor;
  readonly #limits: NarLimits;
  readonly #directories: OpenDirectory[] = [];
  /** A piece that came in parts. */
  readonly #carry = Buffer.alloc(CARRY_BYTES);
  #carried = 0;
  #state: State = "magic";
  /** Bytes that the state takes. */
  #want = MAGIC.length;
  #offset = 0;
  #contentsLeft = 0;
  /** Length of the name, target or contents that the state ends. */
  #length = 0;
  #name: Buffer = NO_NAME;
  #entries = 0;
  #failure: { error: unknown } | null = null;

  constructor(visitor: NarVisitor = {}, limits: Partial<NarLimits> = {}) {
    this.#visitor = visitor;
    this.#limits = { ...DEFAULT_NAR_LIMITS, ...limits };
  }

  /** Bytes that were found right so far; the size of the NAR after `end`. */
  get offset(): number {
    return this.#offset;
  }

  /** All of the NAR was read: nothing may follow. */
  get isComplete(): boolean {
    return this.#state === "end";
  }

  /** Takes the next bytes. Throws NarError, or what the visitor throws. */
  write(chunk: Uint8Array): void {
    this.#guard(() => {
      this.#consume(chunk);
    });
  }

  /** Throws NarError when the NAR is not complete. */
  end(): void {
    this.#guard(() => {
      if (this.#state !== "end") this.#fail("truncated", "it ends too early", this.#carried);
    });
  }

  #guard(run: () => void): void {
    if (this.#failure) throw this.#failure.error;
    try {
      run();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #consume(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (this.#contentsLeft > 0) {
        const count = Math.min(this.#contentsLeft, left);
        this.#visitor.fileChunk?.(count === chunk.length ? chunk : chunk.subarray(at, at + count));
        this.#contentsLeft -= count;
        this.#offset += count;
        at += count;
      } else if (this.#state === "end") {
        this.#fail("trailing-data", "data follows its end");
      } else if (this.#carried === 0 && left >= this.#want) {
        at += this.#want;
        this.#take(chunk, at - this.#want);
      } else {
        const count = Math.min(this.#want - this.#carried, left);
        this.#carry.set(chunk.subarray(at, at + count), this.#carried);
        this.#carried += count;
        at += count;
        if (this.#carried === this.#want) this.#takeCarried();
      }
    }
  }

  #takeCarried(): void {
    this.#carried = 0;
    this.#take(this.#carry, 0);
  }

  /** Handles the `#want` bytes at `at`. */
  #take(bytes: Uint8Array, at: number): void {
    const size = this.#want;
    if (this.#offset + size > this.#limits.maxNarSize) this.#failTooLarge();
    switch (this.#state) {
      case "magic":
        this.#expect(bytes, at, 0, MAGIC);
        this.#expectNode();
        break;
      case "node":
        this.#takeNode(bytes, at);
        break;
      case "directory":
        this.#expect(bytes, at, 0, DIRECTORY_TAIL);
        this.#takeEntryOrClose(bytes, at, DIRECTORY_TAIL.length);
        break;
      case "entry":
        this.#expect(bytes, at, 0, OPEN_NAME);
        this.#length = this.#takeLength(bytes, at, OPEN_NAME.length, MAX_NAME_BYTES, "a name");
        this.#next("entry-name", paddedLength(this.#length) + NODE.length);
        break;
      case "entry-name":
        this.#takeName(bytes, at);
        break;
      case "after-entry":
        this.#expect(bytes, at, 0, CLOSE);
        this.#takeEntryOrClose(bytes, at, CLOSE.length);
        break;
      case "file":
        this.#takeFile(bytes, at);
        break;
      case "executable-file":
        this.#expect(bytes, at, 0, EXECUTABLE_FILE);
        this.#startFile(bytes, at, EXECUTABLE_FILE.length, true);
        break;
      case "file-end":
        this.#expectPadding(bytes, at, 0);
        this.#expect(bytes, at, paddingOf(this.#length), CLOSE);
        this.#visitor.fileEnd?.();
        this.#endNode();
        break;
      case "symlink":
        this.#expect(bytes, at, 0, TARGET);
        this.#length = this.#takeLength(bytes, at, TARGET.length, MAX_TARGET_BYTES, "a target");
        this.#next("target", paddedLength(this.#length) + CLOSE.length);
        break;
      case "target":
        this.#takeTarget(bytes, at);
        break;
      case "end":
        throw new Error("nothing is taken after the end of a NAR");
    }
    this.#offset += size;
  }

  #next(state: State, want: number): void {
    this.#state = state;
    this.#want = want;
  }

  #expectNode(): void {
    this.#next("node", OPEN_TYPE.length + KIND_BYTES);
  }

  #takeNode(bytes: Uint8Array, at: number): void {
    this.#expect(bytes, at, 0, OPEN_TYPE);
    const kindAt = at + OPEN_TYPE.length;
    if (isAt(bytes, kindAt, REGULAR)) {
      this.#next("file", CONTENTS.length + 8);
    } else if (isAt(bytes, kindAt, SYMLINK)) {
      this.#next("symlink", TARGET.length + 8);
    } else if (isAt(bytes, kindAt, DIRECTORY_HEAD)) {
      this.#directories.push({ name: this.#name, lastName: null });
      this.#visitor.directoryStart?.(this.#name);
      this.#name = NO_NAME;
      this.#next("directory", DIRECTORY_TAIL.length + ENTRY_OR_CLOSE_BYTES);
    } else {
      this.#fail("bad-nar", "it has a node that is no file, directory or link", OPEN_TYPE.length);
    }
  }

  #takeEntryOrClose(bytes: Uint8Array, at: number, skip: number): void {
    if (isAt(bytes, at + skip, ENTRY)) {
      this.#entries += 1;
      if (this.#entries > this.#limits.maxEntries) {
        this.#fail("too-large", `it has more than ${this.#limits.maxEntries} entries`, skip);
      }
      if (this.#directories.length > this.#limits.maxDepth) {
        this.#fail("too-deep", `it is more than ${this.#limits.maxDepth} levels deep`, skip);
      }
      this.#next("entry", OPEN_NAME.length + 8);
      return;
    }
    this.#expect(bytes, at, skip, CLOSE);
    const closed = this.#directories.pop();
    this.#name = closed?.name ?? NO_NAME;
    this.#visitor.directoryEnd?.();
    this.#endNode();
  }

  /** A node that is not the root is followed by the end of its entry. */
  #endNode(): void {
    this.#name = NO_NAME;
    if (this.#directories.length === 0) this.#next("end", 0);
    else this.#next("after-entry", CLOSE.length + ENTRY_OR_CLOSE_BYTES);
  }

  #takeName(bytes: Uint8Array, at: number): void {
    const name = Buffer.from(bytes.subarray(at, at + this.#length));
    this.#expectPadding(bytes, at, this.#length);
    const directory = this.#directories.at(-1);
    if (directory === undefined) throw new Error("a NAR entry stands in no directory");
    const fault = faultOfName(name);
    if (fault !== null) this.#fail("bad-name", `it has an entry with ${fault}`);
    const { lastName } = directory;
    if (lastName !== null && lastName.compare(name) >= 0) {
      this.#fail("bad-order", `entry '${name.toString()}' comes after '${lastName.toString()}'`);
    }
    directory.lastName = name;
    this.#name = name;
    this.#expect(bytes, at, paddedLength(this.#length), NODE);
    this.#expectNode();
  }

  #takeFile(bytes: Uint8Array, at: number): void {
    if (isAt(bytes, at, EXECUTABLE)) {
      this.#next("executable-file", EXECUTABLE_FILE.length + 8);
      return;
    }
    this.#expect(bytes, at, 0, CONTENTS);
    this.#startFile(bytes, at, CONTENTS.length, false);
  }

  #startFile(bytes: Uint8Array, at: number, skip: number, isExecutable: boolean): void {
    const size = readLength(bytes, at + skip);
    const offset = this.#offset + skip + 8;
    // Not `offset + size`: a declared size near 2^64 is infinite here and must not pass.
    if (size > this.#limits.maxNarSize - offset) this.#failTooLarge();
    this.#visitor.fileStart?.(this.#name, { size, isExecutable, offset });
    this.#length = size;
    this.#contentsLeft = size;
    this.#next("file-end", paddingOf(size) + CLOSE.length);
  }

  #takeTarget(bytes: Uint8Array, at: number): void {
    const target = Buffer.from(bytes.subarray(at, at + this.#length));
    this.#expectPadding(bytes, at, this.#length);
    this.#expect(bytes, at, paddedLength(this.#length), CLOSE);
    if (target.includes(0)) this.#fail("bad-nar", "it has a link whose target has a zero byte");
    this.#visitor.symlink?.(this.#name, target);
    this.#endNode();
  }

  #takeLength(bytes: Uint8Array, at: number, skip: number, max: number, what: string): number {
    const length = readLength(bytes, at + skip);
    if (length === 0 || length > max) {
      this.#fail("bad-name", `it has ${what} of ${length} bytes, 1 to ${max} are allowed`, skip);
    }
    return length;
  }

  #expect(bytes: Uint8Array, at: number, skip: number, token: Buffer): void {
    if (isAt(bytes, at + skip, token)) return;
    const word = token
      .toString("latin1")
      .replaceAll(/[^ -~]+/g, " ")
      .trim();
    this.#fail("bad-nar", `'${word}' was expected`, skip);
  }

  /** The zeros after a string of `#length` bytes. */
  #expectPadding(bytes: Uint8Array, at: number, skip: number): void {
    for (let n = 0; n < paddingOf(this.#length); n++) {
      if (bytes[at + skip + n] !== 0) this.#fail("bad-nar", "its padding is not zero", skip + n);
    }
  }

  #failTooLarge(): never {
    this.#fail("too-large", `it is larger than ${this.#limits.maxNarSize} bytes`);
  }

  /** `ahead`: bytes from the beginning of the current piece to the fault. */
  #fail(code: NarErrorCode, fault: string, ahead = 0): never {
    const names = [...this.#directories.map(({ name }) => name), this.#name];
    const path = names.filter(({ length }) => length > 0).join("/");
    const offset = this.#offset + ahead;
    const place = path === "" ? "" : ` in '${path}'`;
    throw new NarError(code, `bad NAR at byte ${offset}${place}: ${fault}`, path, offset);
  }
}

function isAt(bytes: Uint8Array, at: number, token: Buffer): boolean {
  for (let n = 0; n < token.length; n++) {
    if (bytes[at + n] !== token[n]) return false;
  }
  return true;
}

/** Exact up to 2^53, and at least that above it. */
function readLength(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let n = 7; n >= 0; n--) {
    length = length * 256 + (bytes[at + n] ?? 0);
  }
  return length;
}
