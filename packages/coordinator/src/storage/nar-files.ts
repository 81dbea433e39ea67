import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { v4 as uuidv4 } from "uuid";
import type { NarStore } from "../ports.ts";

const NAR_HASH = /^[01][0-9a-df-np-sv-z]{51}$/;

/** A file that is being written and is no object yet. Disposing it removes it unless it was kept. */
export interface Draft extends AsyncDisposable {
  /** Appends; resolves when the bytes are written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the bytes durable and gives them their name, which is not durable yet. Resolves to the folder. */
  name(narHash: string): Promise<string>;
  /** Makes bytes and name durable. A file that is there already has the same bytes or an equally good form of them. */
  keep(narHash: string): Promise<void>;
  /** Puts it aside under a name, to be gone on with by `resume`. */
  stage(name: string): Promise<void>;
  /** The bytes that it began with: none, unless it was resumed. */
  read(): AsyncIterable<Buffer>;
}

/**
 * Verified NARs as files `nar/<2 characters>/<NAR hash>.nar.zst`. What is written under `nar/drafts` and was not kept is
 * removed at the next start: nothing refers to it. Uploads that broke off lie in `nar/staged` until they go on or are too old.
 */
export class NarFiles implements NarStore, AsyncDisposable {
  readonly #root: string;
  readonly #drafts: string;
  readonly #staged: string;
  /** Open, because each new file makes its folder durable: there are 64 of them. */
  readonly #folders = new Map<string, Promise<FileHandle>>();

  private constructor(root: string) {
    this.#root = root;
    this.#drafts = join(root, "drafts");
    this.#staged = join(root, "staged");
  }

  static async open(dataDir: string): Promise<NarFiles> {
    const files = new NarFiles(join(dataDir, "nar"));
    await rm(files.#drafts, { recursive: true, force: true });
    await mkdir(files.#drafts, { recursive: true });
    await mkdir(files.#staged, { recursive: true });
    return files;
  }

  file(narHash: string): string {
    return join(this.#root, this.name(narHash));
  }

  name(narHash: string): string {
    // The hash becomes a part of a path: nothing but a hash may.
    if (!NAR_HASH.test(narHash)) throw new Error(`'${narHash}' is no NAR hash in Nix base 32`);
    return `${narHash.slice(0, 2)}/${narHash}.nar.zst`;
  }

  /** Removes the file of an object that is no more; whoever has it open reads on. */
  async remove(narHash: string): Promise<void> {
    await rm(this.file(narHash), { force: true });
  }

  async draft(): Promise<Draft> {
    const path = join(this.#drafts, uuidv4());
    return this.#draft(path, await open(path, "wx", 0o644));
  }

  /** Bytes that were staged under the name; 0 when there are none. */
  async stagedBytes(name: string): Promise<number> {
    try {
      return (await stat(this.#stagedFile(name))).size;
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  }

  /** Takes what was staged under the name, if there is something; nobody else gets it then. Writing goes on behind it. */
  async resume(name: string): Promise<Draft | null> {
    const path = join(this.#drafts, uuidv4());
    try {
      await rename(this.#stagedFile(name), path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    return this.#draft(path, await open(path, "a+", 0o644));
  }

  /** Removes what was staged before that time. */
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

  #draft(path: string, handle: FileHandle): Draft {
    let isKept = false;
    const name = async (narHash: string): Promise<string> => {
      const target = this.file(narHash);
      await Promise.all([this.#folder(dirname(target)), handle.datasync()]);
      await rename(path, target);
      isKept = true;
      return dirname(target);
    };
    return {
      write: (bytes) => writeAll(handle, bytes),
      name,
      keep: async (narHash) => this.#sync(await name(narHash)),
      stage: async (staged) => {
        await rename(path, this.#stagedFile(staged));
        isKept = true;
      },
      read: () => createReadStream(path, { highWaterMark: 256 * 1024 }),
      [Symbol.asyncDispose]: async () => {
        await handle.close();
        if (!isKept) await rm(path, { force: true });
      },
    };
  }

  /** Stores many small objects at once. Each folder is made durable once. */
  async store(objects: readonly { narHash: string; bytes: Uint8Array }[]): Promise<void> {
    const folders = await Promise.all(
      objects.map(async ({ narHash, bytes }) => {
        await using draft = await this.draft();
        await draft.write(bytes);
        return await draft.name(narHash);
      }),
    );
    await Promise.all([...new Set(folders)].map((folder) => this.#sync(folder)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#folders.values()) await (await handle).close();
    this.#folders.clear();
  }

  async #sync(folder: string): Promise<void> {
    const handle = await this.#folder(folder);
    await handle.sync();
  }

  #folder(folder: string): Promise<FileHandle> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    const opening = this.#openFolder(folder).catch((error: unknown) => {
      this.#folders.delete(folder);
      throw error;
    });
    this.#folders.set(folder, opening);
    return opening;
  }

  async #openFolder(folder: string): Promise<FileHandle> {
    await mkdir(folder, { recursive: true });
    await using root = await open(this.#root, "r");
    await root.sync();
    return open(folder, "r");
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at);
    at += bytesWritten;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
