import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/**
 * Writes by temporary file, fsync and rename, mode 0600: a reader sees the old content or the whole new one,
 * also after a crash of the process or of the machine.
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  await replace(path, content, { mustSync: true, mode: 0o600 });
}

/** As `writeDurably`, without waiting for the disk: whole after a crash of the process, not surely after one of the machine. */
export async function writeWhole(path: string, content: string, mode = 0o600): Promise<void> {
  await replace(path, content, { mustSync: false, mode });
}

async function replace(
  path: string,
  content: string,
  { mustSync, mode }: { mustSync: boolean; mode: number },
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      if (mustSync) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
