import { constants } from "node:fs";
import { access, readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../error-facts.ts";
import { failure, good, reasonOf, warning, type Finding } from "./finding.ts";

const AREA = "data directory";
const GIB = 1024 ** 3;
/** Below this, uploads begin to fail soon. */
const LITTLE_BYTES = 5 * GIB;
const NOTHING_BYTES = GIB / 4;

/** Whether it is there, belongs to us, keeps its secrets, and has room. */
export async function checkDataDirectory(dataDir: string): Promise<Finding[]> {
  try {
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const remedy = "give its place with --data-dir, and run this as the coordinator's user";
    return [failure(AREA, `${dataDir} cannot be used: ${reasonOf(error)}`, remedy)];
  }
  return [
    good(AREA, `${dataDir} can be written`),
    ...(await checkOwners(dataDir)),
    await checkKeys(join(dataDir, "keys")),
    await checkRoom(dataDir),
  ];
}

/** What another user has made there, the coordinator cannot write. */
async function checkOwners(dataDir: string): Promise<Finding[]> {
  const owner = (await stat(dataDir)).uid;
  const foreign: string[] = [];
  for (const name of await readdir(dataDir)) {
    if ((await stat(join(dataDir, name))).uid !== owner) foreign.push(name);
  }
  if (foreign.length === 0) return [];
  return [
    failure(
      AREA,
      `${foreign.join(", ")} belong to another user than ${dataDir}`,
      `a command was run as another user: chown -R --reference=${dataDir} ${dataDir}`,
    ),
  ];
}

async function checkKeys(folder: string): Promise<Finding> {
  try {
    const { mode } = await stat(folder);
    if ((mode & 0o077) === 0) return good(AREA, "keys/ is for nobody else's eyes");
    return failure(AREA, "keys/ can be read by others", `chmod -R go= ${folder}`);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return good(AREA, "keys/ is not there: the secrets are given, or come at the first start");
  }
}

async function checkRoom(dataDir: string): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(dataDir);
  const bytes = bavail * bsize;
  const what = `${(bytes / GIB).toFixed(1)} GiB are free`;
  const remedy = "make room: gc, smaller limits of caches (max_storage_gb), or a larger disk";
  if (files > 0 && ffree / files < 0.01) {
    return failure(AREA, "hardly any inodes are free: each NAR and each log is a file", remedy);
  }
  if (bytes < NOTHING_BYTES) return failure(AREA, what, remedy);
  return bytes < LITTLE_BYTES ? warning(AREA, what, remedy) : good(AREA, what);
}
