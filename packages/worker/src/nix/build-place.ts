import { lstatSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readlink, rm, rmdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeTree } from "../process/remove-tree.ts";

const PREFIX = "gradient-";
/** Builders of a Nix that was killed are ended after it, and write until then. */
const TRIES = 10;
const PAUSE_MS = 200;

/**
 * Where one child of Nix makes the directories of its builds, which it removes unless it is killed. Versions from 2.30 on make them beside
 * their store, in a directory that the system clears (`tmpfiles.d`), unless `build-dir` says otherwise.
 */
export class BuildPlace {
  readonly path: string;
  readonly #record: string | null;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(
    directory: string,
    record: string | null,
    environment: Readonly<Record<string, string>>,
  ) {
    this.path = directory;
    this.#record = record;
    this.#environment = environment;
  }

  /**
   * Makes one where temporary files are in this environment. A link to it in the directory `records` is there for as long as it is, for
   * `removePlaces`. null when it cannot be made: Nix tells better why.
   */
  static async make(
    environment: Readonly<Record<string, string>>,
    records: string | null,
  ): Promise<BuildPlace | null> {
    try {
      const directory = await mkdtemp(path.join(environment["TMPDIR"] ?? tmpdir(), PREFIX));
      // Users of builds have to get through.
      await chmod(directory, 0o711);
      const record = records === null ? null : path.join(records, path.basename(directory));
      if (records !== null && record !== null) {
        await mkdir(records, { recursive: true, mode: 0o700 });
        await symlink(directory, record);
      }
      return new BuildPlace(directory, record, environment);
    } catch {
      return null;
    }
  }

  /** Whatever clears temporary files may have taken it, and anybody may have made another one of its name. */
  get isThere(): boolean {
    return isOurs(this.path);
  }

  /** Its child has ended. Never rejects. */
  async remove(): Promise<void> {
    for (let tries = 1; !(await isRemoved(this.path, this.#environment)); tries += 1) {
      if (tries === TRIES) return;
      await sleep(PAUSE_MS);
    }
    if (this.#record !== null) await rm(this.#record, { force: true }).catch(() => {});
  }
}

/** Removes the places of a process that is gone, and their records. What cannot be removed keeps its record. Never rejects. */
export async function removePlaces(
  records: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  for (const name of await readdir(records).catch(() => [])) {
    const record = path.join(records, name);
    const directory = await readlink(record).catch(() => null);
    if (directory === null || !(await isRemoved(directory, environment))) continue;
    await rm(record, { force: true }).catch(() => {});
  }
  await rmdir(records).catch(() => {});
}

async function isRemoved(
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (!isOurs(directory)) return true;
  return removeTree(directory, environment).then(
    () => true,
    () => false,
  );
}

function isOurs(directory: string): boolean {
  try {
    const facts = lstatSync(directory);
    return facts.isDirectory() && facts.uid === process.geteuid?.();
  } catch {
    return false;
  }
}
