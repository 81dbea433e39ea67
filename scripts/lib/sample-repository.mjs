import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./command.mjs";
import { root } from "./layout.mjs";
import { requirements, explain } from "./requirements.mjs";
import { SetupError } from "./setup-error.mjs";
import { findStaticBusybox } from "./static-busybox.mjs";

/** The same files give the same commit: nothing of this machine or this moment goes into it. */
const identity = {
  GIT_AUTHOR_NAME: "First Light",
  GIT_AUTHOR_EMAIL: "first-light@example.org",
  GIT_AUTHOR_DATE: "2024-01-01T00:00:00Z",
  GIT_COMMITTER_NAME: "First Light",
  GIT_COMMITTER_EMAIL: "first-light@example.org",
  GIT_COMMITTER_DATE: "2024-01-01T00:00:00Z",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/**
 * Makes a Git repository in a directory, which it creates, out of sample/ and this machine's static busybox, with one
 * commit on `main`. Another salt gives other derivations. Resolves to `{ commit }`, 40 hexadecimal digits.
 * Throws a SetupError when there is no static busybox, a CommandError when git fails.
 */
export async function makeSampleRepository({ directory, salt }) {
  const busybox = findStaticBusybox();
  if (busybox === undefined) throw new SetupError(explain([requirements.busybox]));
  await cp(join(root, "sample"), directory, { recursive: true });
  await mkdir(join(directory, "seed"), { recursive: true });
  await copyFile(busybox, join(directory, "seed/busybox"));
  await writeFile(join(directory, "salt"), `${salt}\n`);
  await git(directory, ["init", "--quiet", "--initial-branch=main", "--template="]);
  await git(directory, ["add", "--all", "--force"]);
  await git(directory, ["commit", "--quiet", "--message=First light"]);
  return { commit: (await git(directory, ["rev-parse", "HEAD"])).trim() };
}

function git(directory, args) {
  return runCommand("git", args, { cwd: directory, env: { ...process.env, ...identity } });
}
