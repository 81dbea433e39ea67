import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Git } from "./git.ts";
import { treeError } from "./git-errors.ts";

const TIMEOUT_MS = 600_000;
/** Characters of a commit message that are told. */
const MAX_MESSAGE = 20_000;

export interface Commit {
  readonly hash: string;
  readonly message: string;
  readonly authorName: string;
  readonly authorEmail: string;
}

/**
 * Writes the files as the commit has them; a submodule is an empty directory. Attributes of the repository could change them (line ends,
 * filters): these win over the ones in the tree. `index` is a file outside the tree, so nothing of git is in it.
 */
export async function writeTree(
  git: Git,
  hash: string,
  { tree, index }: { tree: string; index: string },
): Promise<void> {
  await mkdir(tree, { recursive: true, mode: 0o700 });
  const env = { GIT_INDEX_FILE: index, GIT_ATTR_NOSYSTEM: "1" };
  await mkdir(join(git.directory, "info"), { recursive: true });
  await writeFile(
    join(git.directory, "info", "attributes"),
    "* -text -eol -filter -ident -working-tree-encoding\n",
  );
  try {
    await git.run({
      args: [`--work-tree=${tree}`, "read-tree", "--reset", "-u", hash],
      config: ["core.autocrlf=false", "core.symlinks=true"],
      title: "git read-tree",
      timeoutMs: TIMEOUT_MS,
      env,
    });
  } catch (error) {
    throw treeError(error);
  }
}

/** The message without blank lines around it, at most 20,000 characters. Texts come in UTF-8 whatever the commit is encoded in. */
export async function describeCommit(git: Git, hash: string): Promise<Commit> {
  const text = await git.ask({
    args: [
      "log",
      "-1",
      "--no-show-signature",
      "--encoding=UTF-8",
      "--format=%an%x00%ae%x00%B",
      hash,
    ],
    title: "git log",
    timeoutMs: TIMEOUT_MS,
  });
  const [authorName = "", authorEmail = "", message = ""] = text.split("\0");
  return { hash, authorName, authorEmail, message: message.trim().slice(0, MAX_MESSAGE) };
}
