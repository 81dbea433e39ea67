import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, link, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isMissing } from "../error-facts.ts";

/** gone: the source is not there any more. */
export type Copied = "kept" | "linked" | "copied" | "gone";

/**
 * Makes `target` the same as `source`: a second name for the same bytes where that can be, or a copy with the time of the source, by which it is known the
 * next time. Only for files that are never written to again.
 */
export async function mirrorFile(source: string, target: string): Promise<Copied> {
  const [from, to] = await Promise.all([statOf(source), statOf(target)]);
  if (from === null) return "gone";
  if (to !== null) {
    const isLinked = from.ino === to.ino && from.dev === to.dev;
    const isCopy = from.size === to.size && Math.abs(from.mtimeMs - to.mtimeMs) < 2;
    if (isLinked || isCopy) return "kept";
  }
  const draft = draftOf(target);
  try {
    await link(source, draft);
    await rename(draft, target);
    return "linked";
  } catch (error) {
    if (isMissing(error)) return "gone";
    if (!isUnlinkable(error)) throw error;
  }
  return copyAnew(source, target);
}

/** Copies a file as it is now, also one that is still being written to. */
export async function copyAnew(source: string, target: string): Promise<Copied> {
  const draft = draftOf(target);
  try {
    await copyFile(source, draft, constants.COPYFILE_FICLONE);
    const { atime, mtime } = await stat(source);
    await utimes(draft, atime, mtime);
    await syncPath(draft);
    await rename(draft, target);
    return "copied";
  } catch (error) {
    await rm(draft, { force: true });
    if (isMissing(error)) return "gone";
    throw error;
  }
}

/** Names in a folder; none when it is missing. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Makes the names in a folder durable. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, "r");
  await handle.sync();
}

/** Every file below a folder, as paths from there. */
export async function* filesBelow(folder: string): AsyncGenerator<string, void, undefined> {
  for (const name of await namesIn(folder)) {
    const entry = await statOf(join(folder, name));
    if (entry?.isDirectory() === true) {
      for await (const file of filesBelow(join(folder, name))) yield join(name, file);
    } else if (entry !== null) {
      yield name;
    }
  }
}

async function statOf(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function draftOf(target: string): string {
  return `${target}.new-${randomBytes(4).toString("hex")}`;
}

/** Another file system, one without links, too many links, or a file of somebody else. */
const UNLINKABLE = new Set("EXDEV EPERM EMLINK ENOTSUP EOPNOTSUPP ENOSYS EACCES".split(" "));

function isUnlinkable(error: unknown): boolean {
  return UNLINKABLE.has(errnoOf(error) ?? "");
}
