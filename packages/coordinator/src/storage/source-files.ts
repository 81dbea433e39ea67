import { createReadStream } from "node:fs";
import { chmod, copyFile, link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { dumpPath } from "@gradient/protocol";
import { v4 as uuidv4 } from "uuid";
import { errnoOf } from "../error-facts.ts";
import { StagedFiles } from "./staged-files.ts";

const HASH = /^[0-9a-f]{64}$/;
const READ_BYTES = 256 * 1024;

/** Something that is being received. Disposing it removes it; what was kept has gone elsewhere by then. */
export interface FileDraft extends AsyncDisposable {
  /** Appends the contents; resolves to how many bytes they have. */
  write(contents: AsyncIterable<Uint8Array>): Promise<number>;
  read(): AsyncIterable<Buffer>;
  /** Makes it the organization's blob of this hash. */
  keepAsBlob(organization: string, hash: string): Promise<void>;
}

/** A tree of files that is being put together; paths have been checked. Disposing it removes it. */
export interface TreeDraft extends AsyncDisposable {
  addFile(path: string, contents: AsyncIterable<Uint8Array>): Promise<void>;
  addBlob(path: string, file: string, isExecutable: boolean): Promise<void>;
  /** The tree as a NAR, in Nix's order. */
  nar(): AsyncIterable<Buffer>;
}

/**
 * Sources of clients below `sources/`: `drafts` is what comes in now and is emptied at start, `blobs/<organization>` are files by their
 * content, `uploads` are NARs that come in chunks, by user.
 */
export class SourceFiles {
  readonly uploads: StagedFiles;
  readonly #drafts: string;
  readonly #blobs: string;

  private constructor(root: string, uploads: StagedFiles) {
    this.#drafts = join(root, "drafts");
    this.#blobs = join(root, "blobs");
    this.uploads = uploads;
  }

  static async open(dataDir: string): Promise<SourceFiles> {
    const root = join(dataDir, "sources");
    const files = new SourceFiles(root, await StagedFiles.open(join(root, "uploads")));
    await rm(files.#drafts, { recursive: true, force: true });
    for (const folder of [files.#drafts, files.#blobs]) {
      await mkdir(folder, { recursive: true });
    }
    return files;
  }

  /** A file that comes in: it is a blob by `keepAsBlob`, or gone when it is disposed. */
  draft(): FileDraft {
    const path = join(this.#drafts, uuidv4());
    return {
      write: (contents) => append(path, contents),
      read: () => createReadStream(path, { highWaterMark: READ_BYTES }),
      keepAsBlob: async (organization, hash) => {
        const target = this.blob(organization, hash);
        await mkdir(dirname(target), { recursive: true });
        await rename(path, target);
      },
      [Symbol.asyncDispose]: () => rm(path, { force: true }),
    };
  }

  async treeDraft(): Promise<TreeDraft> {
    const root = join(this.#drafts, uuidv4());
    await mkdir(root);
    // Most files lie in few folders.
    const made = new Set([root]);
    const placeOf = async (path: string): Promise<string> => {
      const place = join(root, path);
      const folder = dirname(place);
      if (!made.has(folder)) await mkdir(folder, { recursive: true });
      made.add(folder);
      return place;
    };
    return {
      addFile: async (path, contents) => {
        await append(await placeOf(path), contents);
      },
      addBlob: async (path, file, isExecutable) => {
        const place = await placeOf(path);
        // A link shares its mode with the blob, and a file has no more than some ten thousand of them.
        if (!isExecutable && (await isLinked(file, place))) return;
        await copyFile(file, place);
        if (isExecutable) await chmod(place, 0o755);
      },
      nar: () => dumpPath(root),
      [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
    };
  }

  /** File of a blob, which need not be there. */
  blob(organization: string, hash: string): string {
    // Both become parts of a path.
    if (!HASH.test(hash)) throw new Error(`'${hash}' is no BLAKE3 hash`);
    return join(this.#blobs, safeName(organization), hash.slice(0, 2), hash);
  }

  /** Fails with ENOENT for a blob that is not there. */
  readBlob(organization: string, hash: string): AsyncIterable<Buffer> {
    return createReadStream(this.blob(organization, hash), { highWaterMark: READ_BYTES });
  }

  /** Harmless for a blob that is not there. */
  async removeBlob(organization: string, hash: string): Promise<void> {
    await rm(this.blob(organization, hash), { force: true });
  }

  /** Organizations that have, or had, blobs. */
  blobOwners(): Promise<string[]> {
    return readdir(this.#blobs);
  }

  /** All blobs of an organization that is gone. */
  async removeBlobsOf(organization: string): Promise<void> {
    await rm(join(this.#blobs, safeName(organization)), { recursive: true, force: true });
  }
}

async function append(path: string, contents: AsyncIterable<Uint8Array>): Promise<number> {
  await using file = await open(path, "a", 0o644);
  let size = 0;
  for await (const chunk of contents) {
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, at);
      at += bytesWritten;
    }
    size += chunk.length;
  }
  return size;
}

async function isLinked(file: string, place: string): Promise<boolean> {
  try {
    await link(file, place);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EMLINK") return false;
    throw error;
  }
}

function safeName(id: string): string {
  if (!/^[0-9a-z-]{1,64}$/.test(id)) throw new Error(`'${id}' is no id`);
  return id;
}
