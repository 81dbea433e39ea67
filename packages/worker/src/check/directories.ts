import { access, constants, mkdtemp, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { errnoOf, reasonOf } from "../error-facts.ts";

/** The directory itself, or the one above it that is there and would hold it. */
export async function nearestDirectory(directory: string): Promise<string> {
  for (let place = path.resolve(directory); ; place = path.dirname(place)) {
    if (await isDirectory(place)) return place;
    if (place === path.dirname(place)) return place;
  }
}

/** False also where it cannot be seen: a directory above it is closed. */
export async function exists(place: string): Promise<boolean> {
  return access(place).then(
    () => true,
    () => false,
  );
}

async function isDirectory(place: string): Promise<boolean> {
  return stat(place).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

/** Whether files can be made in it. False on a file system that is mounted read-only, too. */
export async function canWrite(directory: string): Promise<boolean> {
  return access(directory, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Why no directory can be made in it, null when one can: one is made and removed. Permissions do not tell, as in `/proc`. */
export async function faultOfMaking(directory: string): Promise<string | null> {
  try {
    await rmdir(await mkdtemp(path.join(directory, "gradient-check-")));
    return null;
  } catch (error) {
    return errnoOf(error) ?? reasonOf(error);
  }
}

/** Whether a directory can be entered, or a program run. */
export async function canEnterOrRun(place: string): Promise<boolean> {
  return access(place, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Whether a device can be opened for reading and writing. */
export async function canUse(device: string): Promise<boolean> {
  return access(device, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** The directory on PATH that has the program, or null. */
export async function findProgram(name: string, searchPath: string): Promise<string | null> {
  for (const directory of searchPath.split(path.delimiter)) {
    if (directory !== "" && (await canEnterOrRun(path.join(directory, name)))) return directory;
  }
  return null;
}
