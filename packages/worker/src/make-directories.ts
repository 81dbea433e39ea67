import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "./error-facts.ts";

/**
 * Makes a directory, of mode 0700, with those above it that are not there. Node's own recursion tries for ever where the kernel takes no
 * directories, as in `/proc`. Rejects with what the file system says.
 */
export async function makeDirectories(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "EEXIST" && (await isDirectory(directory))) return;
    if (errno !== "ENOENT" || (await isDirectory(dirname(directory)))) throw error;
    await makeDirectories(dirname(directory));
    await makeDirectories(directory);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}
