import { copyFile, mkdir, open, readdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isMissing } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { DATABASE, FOLDERS, readManifest, type Manifest } from "./backup-folder.ts";
import { copyAnew, filesBelow, mirrorFile, syncPath } from "./copy-files.ts";

/**
 * Makes a data directory of a backup. Only into an empty one, so that nothing is mixed; the database comes last, so that no coordinator starts on half of
 * it. Throws UserError.
 */
export async function restoreBackup(folder: string, dataDir: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  await requireEmpty(dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o750 });
  for await (const file of filesBelow(join(folder, FOLDERS.keys))) {
    await place(join(folder, FOLDERS.keys, file), join(dataDir, FOLDERS.keys, file), copyAnew);
  }
  for (const name of [FOLDERS.nars, FOLDERS.logs, FOLDERS.blobs]) {
    for await (const file of filesBelow(join(folder, name))) {
      // A log that had not ended goes on.
      const bring = file.endsWith(".log") ? copyAnew : mirrorFile;
      await place(join(folder, name, file), join(dataDir, name, file), bring);
    }
  }
  const draft = join(dataDir, `${DATABASE}.new`);
  await copyFile(join(folder, DATABASE), draft);
  await using handle = await open(draft, "r+");
  await handle.sync();
  await rename(draft, join(dataDir, DATABASE));
  await syncPath(dataDir);
  return manifest;
}

async function place(source: string, target: string, bring: typeof mirrorFile): Promise<void> {
  const isSecret = target.includes(`/${FOLDERS.keys}/`);
  await mkdir(dirname(target), { recursive: true, mode: isSecret ? 0o700 : 0o755 });
  if ((await bring(source, target)) !== "gone") return;
  throw new UserError(`${source} went away meanwhile: is the backup being written?`, {
    exitCode: 1,
  });
}

async function requireEmpty(dataDir: string): Promise<void> {
  try {
    if ((await readdir(dataDir)).length === 0) return;
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  throw new UserError(
    `data directory ${dataDir} is not empty: restore into a new one, or move what is in it away`,
    { exitCode: 1 },
  );
}
