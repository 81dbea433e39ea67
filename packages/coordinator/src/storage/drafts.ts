import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { v4 as uuidv4 } from "uuid";
import { isMissing } from "../error-facts.ts";
import { FileWriter } from "./file-writer.ts";

/** A file that is being written and is no object yet. Disposing it removes it unless it was kept. */
export interface Draft extends AsyncDisposable {
  /** Appends; resolves when the bytes are written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes bytes and name durable. What is there already has the same bytes or an equally good form of them. */
  keep(narHash: string): Promise<void>;
  /** Puts it aside under a name, to be gone on with by `resume`. */
  stage(name: string): Promise<void>;
  /** The bytes that it began with: none, unless it was resumed. */
  read(): AsyncIterable<Buffer>;
}

/** A draft as those see it who give it its place. */
export interface DraftFile {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Puts the bytes of a draft to where they stay, durable and under their name. The file may be moved away. */
export type KeepDraft = (file: DraftFile, narHash: string) => Promise<void>;

/**
 * Uploads on this machine's disk: what is written below `drafts` and was not kept is removed at the next start, as nothing refers to it. Those
 * that broke off lie in `staged` until they go on or are too old.
 */
export class Drafts {
  readonly #drafts: string;
  readonly #staged: string;
  readonly #keep: KeepDraft;

  private constructor(root: string, keep: KeepDraft) {
    this.#drafts = join(root, "drafts");
    this.#staged = join(root, "staged");
    this.#keep = keep;
  }

  static async open(root: string, keep: KeepDraft): Promise<Drafts> {
    const drafts = new Drafts(root, keep);
    await rm(drafts.#drafts, { recursive: true, force: true });
    await mkdir(drafts.#drafts, { recursive: true });
    await mkdir(drafts.#staged, { recursive: true });
    return drafts;
  }

  async draft(): Promise<Draft> {
    const file = await this.create();
    const writer = new FileWriter(file.path, file.handle);
    return this.#draft(file, (bytes) => writer.write(bytes), writer);
  }

  /** A new file, for those who put it to its place themselves. */
  async create(): Promise<DraftFile> {
    const path = join(this.#drafts, uuidv4());
    return { path, handle: await open(path, "wx", 0o644) };
  }

  async stagedBytes(name: string): Promise<number> {
    try {
      return (await stat(this.#stagedFile(name))).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  }

  async resume(name: string): Promise<Draft | null> {
    const path = join(this.#drafts, uuidv4());
    try {
      await rename(this.#stagedFile(name), path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const handle = await open(path, "a+", 0o644);
    return this.#draft({ path, handle }, (bytes) => writeAll(handle, bytes), null);
  }

  async removeStaged(before: number): Promise<void> {
    for (const name of await readdir(this.#staged)) {
      const path = join(this.#staged, name);
      const stats = await stat(path).catch(() => null);
      if (stats !== null && stats.mtimeMs < before) await rm(path, { force: true });
    }
  }

  #stagedFile(name: string): string {
    // The name becomes a part of a path.
    if (!/^[0-9a-z-]{1,100}$/.test(name)) throw new Error(`'${name}' is no name of an upload`);
    return join(this.#staged, name);
  }

  #draft(file: DraftFile, write: Draft["write"], writer: AsyncDisposable | null): Draft {
    const { path, handle } = file;
    return {
      write,
      keep: (narHash) => this.#keep(file, narHash),
      stage: (name) => rename(path, this.#stagedFile(name)),
      read: () => createReadStream(path, { highWaterMark: 256 * 1024 }),
      [Symbol.asyncDispose]: async () => {
        await writer?.[Symbol.asyncDispose]();
        await handle.close();
        await rm(path, { force: true });
      },
    };
  }
}

/** At the end of what is open for appending: one write may take only a part of the bytes. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at);
    at += bytesWritten;
  }
}
