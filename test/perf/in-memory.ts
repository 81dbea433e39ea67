import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";

const MEMORY = "/dev/shm";

/**
 * The place for stores that are made and removed many times: a file system in memory, where there is one. ext4 without a journal goes past each inode that was removed within the last
 * minutes when it looks for a free one: behind a few removed stores everything takes more than twice as long, on both sides, and longer each time.
 */
export function placeInMemory(): string {
  try {
    accessSync(MEMORY, constants.W_OK);
    return MEMORY;
  } catch {
    return tmpdir();
  }
}
