import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const READ_BYTES = 256 * 1024;

/** A file that comes in pieces. There is none as long as it has no bytes. */
export interface StagedFile {
  /** Bytes that are there. */
  readonly size: number;
  /** Goes on behind what is there. What came before a failure stays. */
  append(contents: AsyncIterable<Uint8Array>): Promise<void>;
  read(): AsyncIterable<Buffer>;
  remove(): Promise<void>;
}

/** Files that come in pieces, `<owner>/<name>` below a folder of this machine's disk. How much an owner's take is known at any moment, right after the start, too. */
export class StagedFiles {
  readonly #root: string;
  /** Bytes by owner and name. */
  readonly #sizes = new Map<string, Map<string, number>>();

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(root: string): Promise<StagedFiles> {
    const files = new StagedFiles(root);
    await mkdir(root, { recursive: true });
    for (const entry of await readdir(root, { withFileTypes: true })) {
      // What somebody else has put there is left alone.
      if (!entry.isDirectory()) continue;
      const owner = entry.name;
      for (const name of await readdir(join(root, owner))) {
        files.#note(owner, name, (await stat(join(root, owner, name))).size);
      }
    }
    return files;
  }

  /** Bytes of all files. */
  get bytes(): number {
    return [...this.#sizes.keys()].reduce((sum, owner) => sum + this.bytesOf(owner), 0);
  }

  bytesOf(owner: string): number {
    let sum = 0;
    for (const size of this.#sizes.get(owner)?.values() ?? []) sum += size;
    return sum;
  }

  countOf(owner: string): number {
    return this.#sizes.get(owner)?.size ?? 0;
  }

  /** `owner`: an id; `name`: 64 hexadecimal digits. */
  file(owner: string, name: string): StagedFile {
    const path = this.#path(owner, name);
    const sizeNow = (): number => this.#sizes.get(owner)?.get(name) ?? 0;
    return {
      get size() {
        return sizeNow();
      },
      append: (contents) => this.#append(owner, name, contents),
      read: () => createReadStream(path, { highWaterMark: READ_BYTES }),
      remove: () => this.#remove(owner, name),
    };
  }

  /** Removes what nobody has added to since that time, in milliseconds. */
  async removeBefore(time: number): Promise<void> {
    for (const [owner, names] of this.#sizes) {
      for (const name of names.keys()) {
        const facts = await stat(this.#path(owner, name)).catch(() => null);
        if (facts === null || facts.mtimeMs < time) await this.#remove(owner, name);
      }
    }
  }

  async #append(owner: string, name: string, contents: AsyncIterable<Uint8Array>): Promise<void> {
    let file = null;
    try {
      for await (const chunk of contents) {
        file ??= await this.#open(owner, name);
        for (let at = 0; at < chunk.length;) {
          const { bytesWritten } = await file.write(chunk, at);
          at += bytesWritten;
          this.#note(owner, name, (this.#sizes.get(owner)?.get(name) ?? 0) + bytesWritten);
        }
      }
    } finally {
      await file?.close();
    }
  }

  async #open(owner: string, name: string) {
    await mkdir(join(this.#root, owner), { recursive: true });
    return open(this.#path(owner, name), "a", 0o644);
  }

  async #remove(owner: string, name: string): Promise<void> {
    await rm(this.#path(owner, name), { force: true });
    this.#sizes.get(owner)?.delete(name);
  }

  #note(owner: string, name: string, size: number): void {
    const names = this.#sizes.get(owner) ?? new Map<string, number>();
    this.#sizes.set(owner, names.set(name, size));
  }

  #path(owner: string, name: string): string {
    // Both become parts of a path.
    if (!/^[0-9a-z-]{1,64}$/.test(owner)) throw new Error(`'${owner}' is no id`);
    if (!/^[0-9a-f]{64}$/.test(name)) throw new Error(`'${name}' is no name of an upload`);
    return join(this.#root, owner, name);
  }
}
