import { once } from "node:events";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type { NarFile, NarPart } from "@gradient/protocol";
import { pack, type Header, type Pack } from "tar-stream";
import { CompressStream } from "zstd-napi";

type Parts = AsyncGenerator<NarPart, void, undefined>;

/** The same bytes for the same directory, whoever packs it and when. */
const NEUTRAL = { mtime: new Date(0), uid: 0, gid: 0 } as const;
const MODES = { directory: 0o755, executable: 0o755, file: 0o644, symlink: 0o777 } as const;
/** Entries without contents that wait for the reader. The archive itself holds back only contents. */
const MAX_WAITING_ENTRIES = 1000;

/**
 * A directory of a NAR as a tar archive, compressed with zstd, whose entries lie below `name`. `parts` are what lies below the directory;
 * they are read at the pace of the stream's reader, and no further when it is destroyed. Whoever has the directory's entry disposes it then.
 */
export function packDirectory(name: string, parts: Parts): Readable {
  const compressed = new CompressStream();
  const tar = new DirectoryTar(name, parts);
  // An error of any part destroys the last one, whose reader sees it.
  pipeline(Readable.from(tar.bytes(), { objectMode: false }), compressed).catch(() => undefined);
  return compressed;
}

class DirectoryTar {
  readonly #archive: Pack = pack();
  readonly #name: string;
  readonly #parts: Parts;
  #waiting = 0;
  #wake: () => void = () => {};

  constructor(name: string, parts: Parts) {
    this.#name = name;
    this.#parts = parts;
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const filling = this.#fill().catch((error: unknown) => {
      this.#archive.destroy(error instanceof Error ? error : new Error("a tar archive failed"));
    });
    try {
      for await (const piece of this.#archive) {
        this.#waiting = Math.max(0, this.#waiting - 1);
        this.#wake();
        if (piece instanceof Uint8Array) yield piece;
      }
    } finally {
      this.#archive.destroy();
      this.#wake();
      await filling;
    }
  }

  async #fill(): Promise<void> {
    await this.#addDirectory(this.#name);
    for await (const part of this.#parts) {
      await this.#add(part);
      if (this.#archive.destroyed) return;
    }
    this.#archive.finalize();
  }

  #add(part: NarPart): Promise<void> {
    if (part.type === "contents") throw new Error("a NAR has contents that belong to no file");
    const name = [this.#name, ...part.path.map((each) => each.toString())].join("/");
    switch (part.type) {
      case "directory":
        return this.#addDirectory(name);
      case "regular":
        return this.#addFile(name, part.file);
      case "symlink": {
        const linkname = part.target.toString();
        return this.#addEmpty({ name, type: "symlink", linkname, mode: MODES.symlink });
      }
    }
  }

  #addDirectory(name: string): Promise<void> {
    return this.#addEmpty({ name: `${name}/`, type: "directory", mode: MODES.directory });
  }

  async #addEmpty(header: Partial<Header> & Pick<Header, "name">): Promise<void> {
    this.#waiting += 1;
    while (this.#waiting > MAX_WAITING_ENTRIES && !this.#archive.destroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (!this.#archive.destroyed) this.#archive.entry({ ...header, ...NEUTRAL });
  }

  async #addFile(name: string, file: NarFile): Promise<void> {
    const mode = file.isExecutable ? MODES.executable : MODES.file;
    const entry = this.#archive.entry({ name, type: "file", mode, size: file.size, ...NEUTRAL });
    const written = finished(entry);
    // Awaited at the end, and until then nobody listens.
    written.catch(() => undefined);
    for (let left = file.size; left > 0;) {
      const { value: part } = await this.#parts.next();
      if (part?.type !== "contents") throw new Error(`the contents of ${name} end too early`);
      left -= part.bytes.length;
      if (!entry.write(Buffer.from(part.bytes)))
        await Promise.race([once(entry, "drain"), written]);
    }
    entry.end(null);
    await written;
  }
}
