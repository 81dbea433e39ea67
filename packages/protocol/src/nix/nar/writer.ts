import {
  closeSync,
  constants,
  lstatSync,
  open,
  openSync,
  read,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { promisify } from "node:util";
import { NarError, type NarErrorCode } from "./nar-error.ts";
import {
  CLOSE,
  CONTENTS,
  DIRECTORY,
  ENTRY,
  EXECUTABLE,
  faultOfName,
  MAGIC,
  NO_VALUE,
  NODE,
  OPEN_NAME,
  OPEN_TYPE,
  paddingOf,
  REGULAR,
  SYMLINK,
  TARGET,
} from "./tokens.ts";

/** Chunks are nearly this long; only the last one of a NAR may be short. */
export const NAR_CHUNK_BYTES = 256 * 1024;

/** More than one step of the walk writes besides file contents: the longest name or target and the words around it. */
const STEP_BYTES = 8 * 1024;

const OPEN_FILE = Buffer.concat([OPEN_TYPE, REGULAR, CONTENTS]);
const OPEN_EXECUTABLE = Buffer.concat([OPEN_TYPE, REGULAR, EXECUTABLE, NO_VALUE, CONTENTS]);
const OPEN_SYMLINK = Buffer.concat([OPEN_TYPE, SYMLINK, TARGET]);
const OPEN_DIRECTORY = Buffer.concat([OPEN_TYPE, DIRECTORY]);
const OPEN_ENTRY = Buffer.concat([ENTRY, OPEN_NAME]);
const SEPARATOR = Buffer.from("/");

/**
 * NAR of a file, symbolic link or directory on disk, equal to `nix-store --dump`. For worker threads: it reads synchronously.
 * Memory is one chunk and the names of the directories that are open. Yielded buffers are not touched again.
 * Throws NarError for what no NAR can hold and for a file that changes meanwhile, and the file system's own errors.
 * Whoever knows that the NAR is small says so by `expectedBytes`: then no large chunk is made for it. A wrong number costs time only.
 */
export function* dumpPathSync(
  path: string | Buffer,
  expectedBytes = NAR_CHUNK_BYTES,
): Generator<Buffer, void, undefined> {
  const chunkBytes = Math.min(NAR_CHUNK_BYTES, expectedBytes + 2 * STEP_BYTES);
  for (const item of walk(Buffer.from(path), chunkBytes)) {
    if (Buffer.isBuffer(item)) yield item;
    else item.runSync();
  }
}

/** As `dumpPathSync`, without blocking the event loop. Stops with the signal's reason when it is aborted. */
export async function* dumpPath(
  path: string | Buffer,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  for (const item of walk(Buffer.from(path), NAR_CHUNK_BYTES)) {
    signal?.throwIfAborted();
    if (Buffer.isBuffer(item)) yield item;
    else await item.run();
  }
}

/** NAR of one plain file that is not executable, such as a `.drv`. */
export function singleFileNar(contents: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(contents.length));
  const padding = Buffer.alloc(paddingOf(contents.length));
  return Buffer.concat([MAGIC, OPEN_FILE, length, contents, padding, CLOSE]);
}

/** One question to the file system. The walk is written once; who drives it decides how the question is asked. */
interface Step {
  runSync(): void;
  run(): Promise<void>;
}

function* ask<T>(sync: () => T, async: () => Promise<T>): Generator<Step, T, undefined> {
  const answer: { given?: { value: T } } = {};
  yield {
    runSync() {
      answer.given = { value: sync() };
    },
    async run() {
      answer.given = { value: await async() };
    },
  };
  if (answer.given === undefined) throw new Error("the driver of a NAR walk left out a step");
  return answer.given.value;
}

type Walk<T> = Generator<Step | Buffer, T, undefined>;

interface OpenDirectory {
  readonly path: Buffer;
  /** Sorted by bytes. */
  readonly names: readonly Buffer[];
  next: number;
}

/** Iterative: a tree may be deeper than the call stack. */
function* walk(root: Buffer, chunkBytes: number): Walk<void> {
  const out = new ChunkedOutput(chunkBytes);
  const directories: OpenDirectory[] = [];
  out.put(MAGIC);
  const first = yield* writeNode(out, root);
  if (first) directories.push(first);
  for (let top = directories.at(-1); top !== undefined; top = directories.at(-1)) {
    if (out.isNearlyFull) yield out.take();
    const name = top.names[top.next++];
    if (name === undefined) {
      directories.pop();
      out.put(CLOSE);
      if (directories.length > 0) out.put(CLOSE);
      continue;
    }
    out.put(OPEN_ENTRY);
    out.putString(name);
    out.put(NODE);
    const opened = yield* writeNode(out, Buffer.concat([top.path, SEPARATOR, name]));
    if (opened) directories.push(opened);
    else out.put(CLOSE);
  }
  yield out.last();
}

/** Writes a whole file or link, or the beginning of a directory, whose entries are then up to the caller. */
function* writeNode(out: ChunkedOutput, path: Buffer): Walk<OpenDirectory | null> {
  const stats = yield* ask(
    () => lstatSync(path),
    () => lstat(path),
  );
  if (stats.isDirectory()) {
    out.put(OPEN_DIRECTORY);
    return { path, names: yield* readNames(path), next: 0 };
  }
  if (stats.isSymbolicLink()) {
    out.put(OPEN_SYMLINK);
    out.putString(
      yield* ask(
        () => readlinkSync(path, { encoding: "buffer" }),
        () => readlink(path, { encoding: "buffer" }),
      ),
    );
    out.put(CLOSE);
    return null;
  }
  if (!stats.isFile()) {
    refuse("unsupported-file", path, "is no file, directory or symbolic link");
  }
  yield* writeFile(out, path, stats);
  return null;
}

function* readNames(path: Buffer): Walk<Buffer[]> {
  const names = yield* ask(
    () => readdirSync(path, { encoding: "buffer" }),
    () => readdir(path, { encoding: "buffer" }),
  );
  for (const name of names) {
    const fault = faultOfName(name);
    if (fault === null) continue;
    refuse("bad-name", Buffer.concat([path, SEPARATOR, name]), `has ${fault}`);
  }
  return names.sort((a, b) => a.compare(b));
}

function* writeFile(out: ChunkedOutput, path: Buffer, stats: Stats): Walk<void> {
  out.put((stats.mode & constants.S_IXUSR) === 0 ? OPEN_FILE : OPEN_EXECUTABLE);
  out.putLength(stats.size);
  if (stats.size > 0) yield* copyContents(out, path, stats.size);
  out.putZeros(paddingOf(stats.size));
  out.put(CLOSE);
}

const openFile = promisify(open);
const readFile = promisify(read);

/** Reads straight into the chunk: contents are copied by the kernel alone. Leaves room for one more step. */
function* copyContents(out: ChunkedOutput, path: Buffer, size: number): Walk<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  const descriptor = yield* ask(
    () => openSync(path, flags),
    () => openFile(path, flags),
  );
  try {
    for (let left = size; left > 0;) {
      const room = out.room(left);
      const count = yield* ask(
        () => readSync(descriptor, room),
        async () => (await readFile(descriptor, room, 0, room.length, null)).bytesRead,
      );
      if (count === 0) refuse("changed-file", path, "became shorter while it was read");
      left -= count;
      out.advance(count);
      if (out.isNearlyFull) yield out.take();
    }
  } finally {
    // Also when the consumer stops early: no asynchronous step can run then.
    closeSync(descriptor);
  }
}

function refuse(code: NarErrorCode, path: Buffer, fault: string): never {
  const file = path.toString();
  throw new NarError(code, `no NAR can be made: '${file}' ${fault}`, file);
}

/** Collects small pieces, so that a tree of tiny files does not become a stream of tiny chunks. */
class ChunkedOutput {
  #chunk: Buffer;
  #used = 0;

  constructor(chunkBytes: number) {
    this.#chunk = Buffer.allocUnsafeSlow(chunkBytes);
  }

  get isNearlyFull(): boolean {
    return this.#chunk.length - this.#used < STEP_BYTES;
  }

  put(bytes: Buffer): void {
    this.#used += bytes.copy(this.#chunk, this.#used);
  }

  putLength(length: number): void {
    this.#chunk.writeUInt32LE(length % 2 ** 32, this.#used);
    this.#chunk.writeUInt32LE(Math.floor(length / 2 ** 32), this.#used + 4);
    this.#used += 8;
  }

  putString(bytes: Buffer): void {
    this.putLength(bytes.length);
    this.put(bytes);
    this.putZeros(paddingOf(bytes.length));
  }

  putZeros(count: number): void {
    this.#chunk.fill(0, this.#used, this.#used + count);
    this.#used += count;
  }

  /** The next free bytes of the chunk, at most `limit`; `advance` says how many were filled. */
  room(limit: number): Buffer {
    return this.#chunk.subarray(this.#used, this.#used + limit);
  }

  advance(count: number): void {
    this.#used += count;
  }

  take(): Buffer {
    const full = this.last();
    this.#chunk = Buffer.allocUnsafeSlow(this.#chunk.length);
    this.#used = 0;
    return full;
  }

  /** What is left at the end. */
  last(): Buffer {
    return this.#chunk.subarray(0, this.#used);
  }
}
