import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Snapshot, writeSnapshot } from "../db/snapshot.ts";
import { narHashOf, narName } from "../storage/nar-storage.ts";
import { DATABASE, FOLDERS, openBackupFolder, writeManifest } from "./backup-folder.ts";
import { copyAnew, filesBelow, mirrorFile, namesIn, syncPath, type Copied } from "./copy-files.ts";

/** What was missing may have been removed just then, so the database is looked at again; not for ever. */
const MAX_SNAPSHOTS = 5;
/** Most files are only looked at, and the disk answers several at a time. */
const AT_ONCE = 16;

export interface BackupRequest {
  readonly dataDir: string;
  readonly folder: string;
  /** Where NARs are instead of the data directory; null when they are in it. */
  readonly objectStore: string | null;
  readonly masterKey: { readonly id: string; readonly isInDataDir: boolean };
  readonly version: string;
  readonly now: number;
}

export interface BackupReport {
  readonly nars: Tally;
  readonly logs: Tally;
  /** NARs that the database knows and the farm does not have: it lost them before. */
  readonly lost: readonly string[];
}

export interface Tally {
  all: number;
  /** That were not in the folder yet. */
  fresh: number;
}

/**
 * Writes a backup of a farm that may be running, into an empty folder or over an earlier backup: only what is new is copied then.
 *
 * Files come before and after the database: what the database knows was there before it, or is found after it. A NAR that is not was removed between
 * the two, and then the database is copied again. The earlier backup stays whole until the new database takes its place, and only then goes what
 * that does not know. Throws UserError.
 */
export async function writeBackup(request: BackupRequest): Promise<BackupReport> {
  const { dataDir, folder, objectStore } = request;
  using _lock = await openBackupFolder(folder, dataDir);
  const mirror = new Mirror(dataDir, folder, objectStore === null);
  await mirror.copyAll();
  const draft = join(folder, `${DATABASE}.new`);
  let lost: string[] = [];
  for (let tries = 1; tries <= MAX_SNAPSHOTS; tries += 1) {
    await rm(draft, { force: true });
    await writeSnapshot(join(dataDir, DATABASE), draft);
    const before = lost.join(" ");
    lost = await mirror.completeNars(draft);
    // What is missing from one database to the next was missing before.
    if (lost.length === 0 || lost.join(" ") === before) break;
  }
  await mirror.copyLogs();
  await chmod(draft, 0o600);
  await rename(draft, join(folder, DATABASE));
  await syncPath(folder);
  using snapshot = new Snapshot(join(folder, DATABASE));
  await writeManifest(folder, {
    format: 1,
    version: request.version,
    createdAt: new Date(request.now).toISOString(),
    objectStore,
    masterKey: request.masterKey.id,
    hasMasterKey: request.masterKey.isInDataDir,
    rows: snapshot.countRows(),
  });
  await mirror.removeUnknown(snapshot);
  return { nars: mirror.nars, logs: mirror.logs, lost };
}

/** The folder's copies of the farm's files. */
class Mirror {
  readonly nars: Tally = { all: 0, fresh: 0 };
  readonly logs: Tally = { all: 0, fresh: 0 };
  readonly #dataDir: string;
  readonly #folder: string;
  readonly #hasNars: boolean;

  constructor(dataDir: string, folder: string, hasNars: boolean) {
    this.#dataDir = dataDir;
    this.#folder = folder;
    this.#hasNars = hasNars;
  }

  async copyAll(): Promise<void> {
    await this.#copyKeys();
    if (this.#hasNars) await this.#copyNars();
    await this.copyLogs();
    await this.#copyBlobs();
  }

  async #copyKeys(): Promise<void> {
    const target = join(this.#folder, FOLDERS.keys);
    await mkdir(target, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(join(this.#dataDir, FOLDERS.keys))) {
      await copyAnew(join(this.#dataDir, FOLDERS.keys, name), join(target, name));
    }
    await syncPath(target);
  }

  async #copyNars(): Promise<void> {
    const source = join(this.#dataDir, FOLDERS.nars);
    for (const part of (await namesIn(source)).filter((name) => name.length === 2)) {
      await mkdir(join(this.#folder, FOLDERS.nars, part), { recursive: true });
      const names = (await namesIn(join(source, part))).map((name) => `${part}/${name}`);
      const nars = names.filter((name) => narHashOf(name) !== null);
      for (let at = 0; at < nars.length; at += AT_ONCE) {
        await Promise.all(nars.slice(at, at + AT_ONCE).map((name) => this.#copyNar(name)));
      }
      await syncPath(join(this.#folder, FOLDERS.nars, part));
    }
  }

  async #copyNar(name: string): Promise<Copied> {
    const copied = await mirrorFile(
      join(this.#dataDir, FOLDERS.nars, name),
      join(this.#folder, FOLDERS.nars, name),
    );
    if (copied === "linked" || copied === "copied") this.nars.fresh += 1;
    return copied;
  }

  /** Copies what the database knows and the first pass did not see. Resolves to the hashes of those that are nowhere. */
  async completeNars(database: string): Promise<string[]> {
    if (!this.#hasNars) return [];
    using snapshot = new Snapshot(database);
    const lost: string[] = [];
    const parts = new Map<string, Set<string>>();
    this.nars.all = 0;
    for (const { narHash } of snapshot.nars()) {
      this.nars.all += 1;
      const name = narName(narHash);
      const part = name.slice(0, 2);
      const present = parts.get(part) ?? (await this.#presentIn(part));
      parts.set(part, present);
      if (present.has(name.slice(3))) continue;
      if ((await this.#copyNar(name)) === "gone") lost.push(narHash);
    }
    for (const part of parts.keys()) await syncPath(join(this.#folder, FOLDERS.nars, part));
    return lost;
  }

  async #presentIn(part: string): Promise<Set<string>> {
    const folder = join(this.#folder, FOLDERS.nars, part);
    await mkdir(folder, { recursive: true });
    return new Set(await namesIn(folder));
  }

  /** A log that grows is copied; one that has ended is packed, and never changes again. */
  async copyLogs(): Promise<void> {
    const source = join(this.#dataDir, FOLDERS.logs);
    const target = join(this.#folder, FOLDERS.logs);
    await mkdir(target, { recursive: true });
    const names = await namesIn(source);
    this.logs.all = names.length;
    // Growing ones first: what is packed meanwhile is found by the packed name.
    for (const name of names.filter((each) => each.endsWith(".log"))) {
      await copyAnew(join(source, name), join(target, name));
    }
    for (const name of (await namesIn(source)).filter((each) => each.endsWith(".log.zst"))) {
      const copied = await mirrorFile(join(source, name), join(target, name));
      if (copied === "linked" || copied === "copied") this.logs.fresh += 1;
      await rm(join(target, name.slice(0, -".zst".length)), { force: true });
    }
    await syncPath(target);
  }

  async #copyBlobs(): Promise<void> {
    const source = join(this.#dataDir, FOLDERS.blobs);
    for await (const file of filesBelow(source)) {
      const target = join(this.#folder, FOLDERS.blobs, file);
      await mkdir(join(target, ".."), { recursive: true });
      await mirrorFile(join(source, file), target);
    }
  }

  /** What the database of this backup does not know. */
  async removeUnknown(snapshot: Snapshot): Promise<void> {
    const nars = join(this.#folder, FOLDERS.nars);
    for (const part of await namesIn(nars)) {
      for (const name of await namesIn(join(nars, part))) {
        const hash = narHashOf(`${part}/${name}`);
        if (hash === null || !snapshot.hasNar(hash)) await rm(join(nars, part, name));
      }
    }
    const logs = join(this.#folder, FOLDERS.logs);
    for (const name of await namesIn(logs)) {
      const attempt = /^(\d+)\.log(?:\.zst)?$/.exec(name)?.[1];
      const isKnown = attempt !== undefined && snapshot.hasAttempt(Number(attempt));
      if (!isKnown) await rm(join(logs, name));
    }
    const blobs = join(this.#folder, FOLDERS.blobs);
    const present = new Set<string>();
    for await (const file of filesBelow(join(this.#dataDir, FOLDERS.blobs))) present.add(file);
    for await (const file of filesBelow(blobs)) {
      if (!present.has(file)) await rm(join(blobs, file), { force: true });
    }
  }
}
