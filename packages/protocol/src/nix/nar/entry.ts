import type { NarFile, NarLimits, NarVisitor } from "./reader.ts";
import { NarReader } from "./reader.ts";

/**
 * A part of a NAR, in the archive's order: a directory comes before its entries, a file before its contents. `path` has the names below the
 * root, whose own is empty. `bytes` are a view that holds until the next part is asked for.
 */
export type NarPart =
  | { readonly type: "directory"; readonly path: readonly Buffer[] }
  | { readonly type: "symlink"; readonly path: readonly Buffer[]; readonly target: Buffer }
  | { readonly type: "regular"; readonly path: readonly Buffer[]; readonly file: NarFile }
  | { readonly type: "contents"; readonly bytes: Uint8Array };

/** The bytes of a NAR, in pieces that need only hold until the next one is asked for. */
export type NarBytes = AsyncIterable<Uint8Array>;

/** Reads a NAR to its end. Throws NarError for the first byte that is wrong, or when it ends too early. */
export async function* readNarParts(
  nar: NarBytes,
  limits: Partial<NarLimits> = {},
): AsyncGenerator<NarPart, void, undefined> {
  const parts: NarPart[] = [];
  const reader = new NarReader(new PartCollector(parts), limits);
  for await (const piece of nar) {
    reader.write(piece);
    yield* parts.splice(0);
  }
  reader.end();
  yield* parts.splice(0);
}

class PartCollector implements NarVisitor {
  readonly #parts: NarPart[];
  readonly #names: Buffer[] = [];

  constructor(parts: NarPart[]) {
    this.#parts = parts;
  }

  directoryStart(name: Buffer): void {
    this.#parts.push({ type: "directory", path: this.#pathOf(name) });
    this.#names.push(name);
  }

  directoryEnd(): void {
    this.#names.pop();
  }

  fileStart(name: Buffer, file: NarFile): void {
    this.#parts.push({ type: "regular", path: this.#pathOf(name), file });
  }

  fileChunk(bytes: Uint8Array): void {
    this.#parts.push({ type: "contents", bytes });
  }

  symlink(name: Buffer, target: Buffer): void {
    this.#parts.push({ type: "symlink", path: this.#pathOf(name), target });
  }

  /** The root's name is empty, and no part of a path. */
  #pathOf(name: Buffer): Buffer[] {
    return [...this.#names, name].filter(({ length }) => length > 0);
  }
}

/** One entry of a NAR. Contents and parts can be read once; dispose the entry in any case, which stops the reading of the NAR. */
export type NarEntry = AsyncDisposable &
  (
    | {
        readonly type: "regular";
        readonly file: NarFile;
        readonly contents: AsyncGenerator<Uint8Array, void, undefined>;
      }
    | { readonly type: "symlink"; readonly target: Buffer }
    | {
        readonly type: "directory";
        /** What lies below, with paths from here; the directory itself is not among it. */
        readonly parts: AsyncGenerator<NarPart, void, undefined>;
      }
  );

/**
 * Finds an entry by the names that lead to it; none for the root. Symbolic links are not followed. Null when there is none.
 * Reads no further than to where the entry is, or would be: for an entry that was found, what follows it is not looked at.
 */
export async function openNarEntry(
  nar: NarBytes,
  names: readonly string[],
): Promise<NarEntry | null> {
  const wanted = names.map((name) => Buffer.from(name));
  const parts = readNarParts(nar);
  let entry: NarEntry | null = null;
  try {
    entry = await findEntry(parts, wanted);
    return entry;
  } finally {
    if (entry === null) await parts.return();
  }
}

async function findEntry(
  parts: AsyncGenerator<NarPart, void, undefined>,
  wanted: readonly Buffer[],
): Promise<NarEntry | null> {
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    const part = next.value;
    if (part.type === "contents") continue;
    const order = compareNames(part.path, wanted);
    if (order > 0) return null;
    if (order === 0 && part.path.length === wanted.length) return entryOf(parts, part);
    // A way can only lead on through a directory.
    if (order === 0 && part.type !== "directory") return null;
  }
  return null;
}

/** Order of the names that both have: 0 when one path is the other or leads to it. */
function compareNames(path: readonly Buffer[], wanted: readonly Buffer[]): number {
  for (const [at, name] of path.entries()) {
    const other = wanted[at];
    if (other === undefined) return 1;
    const order = name.compare(other);
    if (order !== 0) return order;
  }
  return 0;
}

function entryOf(
  parts: AsyncGenerator<NarPart, void, undefined>,
  part: Exclude<NarPart, { type: "contents" }>,
): NarEntry {
  const stop = { [Symbol.asyncDispose]: async () => void (await parts.return()) };
  switch (part.type) {
    case "regular":
      return { type: "regular", file: part.file, contents: contentsOf(parts, part.file), ...stop };
    case "symlink":
      return { type: "symlink", target: part.target, ...stop };
    case "directory":
      return { type: "directory", parts: partsBelow(parts, part.path.length), ...stop };
  }
}

async function* contentsOf(
  parts: AsyncGenerator<NarPart, void, undefined>,
  { size }: NarFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size;
  while (left > 0) {
    const next = await parts.next();
    if (next.done === true || next.value.type !== "contents") return;
    left -= next.value.bytes.length;
    yield next.value.bytes;
  }
}

async function* partsBelow(
  parts: AsyncGenerator<NarPart, void, undefined>,
  depth: number,
): AsyncGenerator<NarPart, void, undefined> {
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    const part = next.value;
    if (part.type === "contents") yield part;
    else if (part.path.length > depth) yield { ...part, path: part.path.slice(depth) };
    else return;
  }
}
