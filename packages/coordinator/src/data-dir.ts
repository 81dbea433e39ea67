import { existsSync } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { openDatabase, type Database } from "./db/client.ts";
import { lockFile } from "./db/exclusive-lock.ts";
import { errnoOf, isDiskFull, messageOf } from "./error-facts.ts";
import { UserError } from "./errors.ts";

/** Makes the data directory when it is missing. Throws UserError. */
export async function ensureDataDir(dataDir: string): Promise<void> {
  try {
    await makeDirectories(resolve(dataDir));
  } catch (cause) {
    throw new UserError(`data directory ${dataDir} cannot be made: ${messageOf(cause)}`, {
      exitCode: 1,
      cause,
    });
  }
}

/** With its parents. (Node's own recursive mkdir never comes back from a file system where nothing can be made, such as /proc.) */
async function makeDirectories(path: string): Promise<void> {
  const failure = await makeDirectory(path);
  if (failure !== "ENOENT" || dirname(path) === path) return;
  await makeDirectories(dirname(path));
  await mkdir(path, { mode: 0o750 });
}

/** Returns the code of a failure that the caller may mend; what is there already is no failure. */
async function makeDirectory(path: string): Promise<string | null> {
  try {
    await mkdir(path, { mode: 0o750 });
    return null;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EEXIST") return null;
    if (code === "ENOENT") return code;
    throw error;
  }
}

/** Throws UserError for a directory without a farm, so that a mistyped one is not made one. */
export async function requireFarm(dataDir: string): Promise<void> {
  const file = join(dataDir, "farm.sqlite");
  try {
    await access(file);
  } catch (cause) {
    throw new UserError(
      `data directory ${dataDir} has no farm: ${file} cannot be read; give its place with --data-dir`,
      { exitCode: 1, cause },
    );
  }
}

/** Opens the farm's database and brings it up to date. Throws UserError. */
export async function openFarmDatabase(dataDir: string): Promise<Database> {
  const file = join(dataDir, "farm.sqlite");
  try {
    return await openDatabase(file);
  } catch (cause) {
    const reason = isDiskFull(cause) ? "its disk is full; make some room" : messageOf(cause);
    throw new UserError(`database ${file} cannot be opened: ${reason}`, { exitCode: 1, cause });
  }
}

/** The data directory for this process alone; null while a daemon serves it. Throws UserError. */
export function tryLockDataDir(dataDir: string): Disposable | null {
  try {
    return lockFile(join(dataDir, "serve.lock"));
  } catch (cause) {
    throw new UserError(`data directory ${dataDir} cannot be written: ${messageOf(cause)}`, {
      exitCode: 1,
      cause,
    });
  }
}

/** Whether a daemon serves the data directory. Makes nothing in one that was never served. Throws UserError. */
export function isServed(dataDir: string): boolean {
  if (!existsSync(join(dataDir, "serve.lock"))) return false;
  using lock = tryLockDataDir(dataDir);
  return lock === null;
}

/** Makes sure that one daemon at most serves a data directory. Throws UserError. */
export function lockDataDir(dataDir: string): Disposable {
  const lock = tryLockDataDir(dataDir);
  if (lock !== null) return lock;
  throw new UserError(`another gradient-coordinator serves the data directory ${dataDir}`, {
    exitCode: 1,
  });
}
