import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { OrganizationId } from "@gradient/protocol";
import pLimit from "p-limit";
import { inTurn } from "../../abort.ts";

interface InUse {
  readonly lock: ReturnType<typeof pLimit>;
  users: number;
}

/** What a clone is kept for: who may not read a repository gets nothing of what others have fetched from it. */
export interface CloneKey {
  readonly organization: OrganizationId;
  readonly repository: string;
}

/** Bare clones below one directory, one for each organization and address, kept for the next fetch until there are too many of them. */
export class Clones {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #inUse = new Map<string, InUse>();
  /** Of the clones that do not change now. */
  readonly #sizes = new Map<string, number>();

  /** Those that were not used for the longest time go when all are larger than `maxBytes`. */
  constructor(directory: string, maxBytes: number) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
  }

  /** Calls `work` with the directory of the clone, which may not be there yet. Nobody else uses it meanwhile. */
  async use<T>(
    { organization, repository }: CloneKey,
    signal: AbortSignal,
    work: (directory: string) => Promise<T>,
  ): Promise<T> {
    const name = createHash("sha256")
      .update(JSON.stringify([organization, repository]))
      .digest("hex")
      .slice(0, 32);
    const directory = join(this.#directory, name);
    const entry = this.#inUse.get(name) ?? { lock: pLimit(1), users: 0 };
    this.#inUse.set(name, entry);
    entry.users += 1;
    try {
      return await inTurn(entry.lock, signal, async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        return work(directory);
      });
    } finally {
      entry.users -= 1;
      this.#sizes.delete(name);
      const now = new Date();
      await utimes(directory, now, now).catch(() => undefined);
      if (entry.users === 0) this.#inUse.delete(name);
      await this.#evict();
    }
  }

  async #evict(): Promise<void> {
    const clones = await this.#list();
    let total = clones.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { name, sizeBytes } of clones.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (total <= this.#maxBytes) return;
      if (this.#inUse.has(name)) continue;
      total -= sizeBytes;
      this.#sizes.delete(name);
      // Whoever wants it meanwhile waits for its removal.
      const entry: InUse = { lock: pLimit(1), users: 1 };
      this.#inUse.set(name, entry);
      await entry.lock(() => rm(join(this.#directory, name), { recursive: true, force: true }));
      entry.users -= 1;
      if (entry.users === 0) this.#inUse.delete(name);
    }
  }

  async #list(): Promise<{ name: string; sizeBytes: number; usedAt: number }[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const found = await Promise.all(
      names.map(async (name) => {
        const path = join(this.#directory, name);
        const stats = await stat(path).catch(() => null);
        if (stats === null) return null;
        const sizeBytes = this.#sizes.get(name) ?? (await directorySize(path));
        if (!this.#inUse.has(name)) this.#sizes.set(name, sizeBytes);
        return { name, sizeBytes, usedAt: stats.mtimeMs };
      }),
    );
    return found.filter((clone) => clone !== null);
  }
}

/** Bytes of all files below a directory; what vanishes meanwhile does not count. */
export async function directorySize(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  let total = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const stats = await stat(join(entry.parentPath, entry.name)).catch(() => null);
    total += stats?.size ?? 0;
  }
  return total;
}
