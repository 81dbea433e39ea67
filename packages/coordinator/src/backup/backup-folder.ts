import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { z } from "zod";
import { lockFile } from "../db/exclusive-lock.ts";
import { UserError } from "../errors.ts";

/** What a backup says of itself. It is written last: without it there is no complete backup. */
const manifestSchema = z.object({
  format: z.literal(1),
  version: z.string(),
  createdAt: z.iso.datetime(),
  /** The bucket that the NARs are in, `s3://BUCKET/PREFIX`; null when they are in the backup. */
  objectStore: z.string().nullable(),
  /** Of the key that sealed secrets of the database. */
  masterKey: z.string(),
  /** Whether that key is in the backup. */
  hasMasterKey: z.boolean(),
  rows: z.record(z.string(), z.number()),
});
export type Manifest = z.infer<typeof manifestSchema>;

const MARKER = ".gradient-backup";
const MANIFEST = "backup.json";

export const DATABASE = "farm.sqlite";
/** Folders that are taken over with their files. */
export const FOLDERS = { nars: "nar", logs: "log", blobs: "sources/blobs", keys: "keys" } as const;

/**
 * Takes a folder for backups for this process alone: one that is missing or empty, or one that has a backup already and is brought up to date.
 * Throws UserError.
 */
export async function openBackupFolder(folder: string, dataDir: string): Promise<Disposable> {
  if (isWithin(resolve(dataDir), resolve(folder))) {
    throw new UserError(`${folder} lies in the data directory: give a folder elsewhere`);
  }
  // It holds keys.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = await readdir(folder);
  if (names.length > 0 && !names.includes(MARKER)) {
    throw new UserError(`${folder} has files in it that are no backup: give an empty folder`, {
      exitCode: 1,
    });
  }
  await writeFile(join(folder, MARKER), "");
  const lock = lockFile(join(folder, "backup.lock"));
  if (lock !== null) return lock;
  throw new UserError(`another backup is being written into ${folder}`, { exitCode: 1 });
}

/** Makes the backup complete: written aside, flushed and moved into place, so that a reader finds the old one or the new one whole. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const file = join(folder, MANIFEST);
  await writeFile(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
  await rename(`${file}.new`, file);
}

function isWithin(directory: string, place: string): boolean {
  return place === directory || place.startsWith(join(directory, sep));
}

/** Throws UserError for a folder without a complete backup. */
export async function readManifest(folder: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(folder, MANIFEST), "utf8");
  } catch (cause) {
    throw new UserError(`${folder} has no complete backup: backup.json cannot be read`, {
      exitCode: 1,
      cause,
    });
  }
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new UserError(`the backup in ${folder} was written by another release: backup.json`, {
    exitCode: 1,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
