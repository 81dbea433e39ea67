import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, unlink, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { isMissing } from "../error-facts.ts";
import { NotFoundError } from "../errors.ts";
import type { ByteRange, NarPlace } from "../ports.ts";
import { Drafts, writeAll, type Draft, type DraftFile } from "./drafts.ts";
import { narHashOf, narName, type NarStorage } from "./nar-storage.ts";
import { PromptReads } from "./prompt-reads.ts";

const READ_BYTES = 256 * 1024;

/** Verified NARs as files `nar/<2 characters>/<NAR hash>.nar.zst` of the data directory, beside the drafts of new ones. */
export class NarFiles implements NarStorage {
  readonly staging = null;
  readonly #root: string;
  readonly #drafts: Drafts;
  readonly #prompt = new PromptReads();
  /** Open, because each new file makes its folder durable: there are 64 of them. */
  readonly #folders = new Map<string, Promise<FileHandle>>();

  private constructor(root: string, drafts: Drafts) {
    this.#root = root;
    this.#drafts = drafts;
  }

  static async open(dataDir: string): Promise<NarFiles> {
    const root = join(dataDir, "nar");
    const drafts = await Drafts.open(root, async (draft, narHash) => {
      await files.#sync(await files.#name(draft, narHash));
    });
    const files = new NarFiles(root, drafts);
    return files;
  }

  file(narHash: string): string {
    return join(this.#root, narName(narHash));
  }

  place(narHash: string): Promise<NarPlace> {
    const name = narName(narHash);
    return Promise.resolve({ kind: "file", path: join(this.#root, name), name });
  }

  async read(narHash: string, range?: ByteRange): Promise<Readable> {
    const { start, end } = range ?? { start: 0, end: Infinity };
    const options = { start, end: end - 1, highWaterMark: READ_BYTES };
    const stream = createReadStream(this.file(narHash), options);
    try {
      await once(stream, "open");
    } catch (cause) {
      if (!isMissing(cause)) throw cause;
      throw new NotFoundError(`NAR ${narHash} is missing on this server`, { cause });
    }
    return stream;
  }

  readNow(narHash: string, size: number): Buffer | null {
    return this.#prompt.read(this.file(narHash), size);
  }

  readPartNow(file: FileHandle, buffer: Buffer, position: number): number | null {
    return this.#prompt.readPart(file.fd, buffer, position);
  }

  async size(narHash: string): Promise<number | null> {
    try {
      return (await stat(this.file(narHash))).size;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async remove(narHash: string): Promise<void> {
    // `rm` would look at it first.
    await unlink(this.file(narHash)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  removeMany(
    narHashes: readonly string[],
    unlink: (files: readonly string[]) => Promise<void>,
  ): Promise<void> {
    return unlink(narHashes.map((narHash) => this.file(narHash)));
  }

  /** A folder at a time, some 1/64 of them. */
  async *hashes(): AsyncGenerator<string[], void, undefined> {
    for (const folder of (await readdir(this.#root)).toSorted()) {
      if (!/^[01][0-9a-df-np-sv-z]$/.test(folder)) continue;
      const names = await readdir(join(this.#root, folder));
      yield names.flatMap((name) => narHashOf(`${folder}/${name}`) ?? []);
    }
  }

  draft(): Promise<Draft> {
    return this.#drafts.draft();
  }

  stagedBytes(name: string): Promise<number> {
    return this.#drafts.stagedBytes(name);
  }

  resume(name: string): Promise<Draft | null> {
    return this.#drafts.resume(name);
  }

  removeStaged(before: number): Promise<void> {
    return this.#drafts.removeStaged(before);
  }

  /** Each folder is made durable once. */
  async store(objects: readonly { narHash: string; bytes: Uint8Array }[]): Promise<void> {
    const folders = await Promise.all(objects.map((object) => this.#storeOne(object)));
    await Promise.all([...new Set(folders)].map((folder) => this.#sync(folder)));
  }

  async #storeOne({ narHash, bytes }: { narHash: string; bytes: Uint8Array }): Promise<string> {
    const draft = await this.#drafts.create();
    try {
      await writeAll(draft.handle, bytes);
      return await this.#name(draft, narHash);
    } catch (error) {
      await rm(draft.path, { force: true });
      throw error;
    } finally {
      await draft.handle.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#folders.values()) await (await handle).close();
    this.#folders.clear();
  }

  /** Makes the bytes durable and gives them their name, which is not durable yet. Resolves to the folder. */
  async #name({ path, handle }: DraftFile, narHash: string): Promise<string> {
    const target = this.file(narHash);
    await Promise.all([this.#folder(dirname(target)), handle.datasync()]);
    await rename(path, target);
    return dirname(target);
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
