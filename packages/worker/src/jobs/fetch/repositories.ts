import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FetchSpec } from "@gradient/protocol";
import pLimit from "p-limit";
import { WorkerError } from "../../errors.ts";
import type { UsageMeter } from "../../ports.ts";
import { checkCommit, checkReference, checkRepository, withoutPassword } from "./address.ts";
import { fetchError, Git } from "./git.ts";
import { sshEnvironment } from "./ssh.ts";

const FETCH_TIMEOUT_MS = 1_800_000;
const LOCAL_TIMEOUT_MS = 120_000;
/** Characters of a commit message that are told. */
const MAX_MESSAGE = 20_000;

export interface Commit {
  readonly hash: string;
  readonly message: string;
  readonly authorName: string;
  readonly authorEmail: string;
}

export interface FetchRequest {
  readonly spec: FetchSpec;
  /** A private directory for the time of the call. */
  readonly directory: string;
  readonly meter: UsageMeter;
  readonly signal: AbortSignal;
}

/** Bare clones below one directory, one for each address, kept for the next fetch. */
export class Repositories {
  readonly #directory: string;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #locks = new Map<string, ReturnType<typeof pLimit>>();

  constructor(directory: string, environment: Readonly<Record<string, string | undefined>>) {
    this.#directory = directory;
    this.#environment = environment;
  }

  /** Fetches what is asked for and writes exactly the commit's tree to `tree`, which must not exist yet. Rejects with a WorkerError. */
  async checkOut(request: FetchRequest, tree: string): Promise<Commit> {
    const { repository, reference, commit } = request.spec;
    checkRepository(repository);
    if (commit !== null) checkCommit(commit);
    else if (reference !== null) checkReference(reference);
    const name = createHash("sha256").update(repository).digest("hex").slice(0, 32);
    const git = new Git({
      directory: join(this.#directory, name),
      environment: this.#environment,
      meter: request.meter,
      signal: request.signal,
    });
    return this.#lockOf(name)(async () => {
      const hash = await fetchCommit(git, request);
      await writeTree(git, hash, tree);
      return describeCommit(git, hash);
    });
  }

  #lockOf(name: string): ReturnType<typeof pLimit> {
    const known = this.#locks.get(name);
    if (known) return known;
    const lock = pLimit(1);
    this.#locks.set(name, lock);
    return lock;
  }
}

async function fetchCommit(git: Git, request: FetchRequest): Promise<string> {
  const { repository, reference, commit } = request.spec;
  await prepare(git);
  if (commit !== null && (await hasCommit(git, commit))) return commit;
  const env = await sshEnvironment(request.spec.credentials, request.directory);
  const call = (refspecs: readonly string[], depth: readonly string[]) => ({
    args: ["fetch", "--quiet", "--no-tags", "--force", ...depth, "--", repository, ...refspecs],
    title: `git fetch of ${withoutPassword(repository)}`,
    timeoutMs: FETCH_TIMEOUT_MS,
    env,
  });
  try {
    if (commit === null) {
      const target = createHash("sha256")
        .update(reference ?? "HEAD")
        .digest("hex");
      const kept = `refs/fetched/${target}`;
      await git.run(call([`${reference ?? "HEAD"}:${kept}`], ["--depth=1"]));
      return await resolveCommit(git, kept);
    }
    // A server may refuse a commit that no branch or tag ends in. Then everything is fetched.
    if (await git.succeeds(call([`${commit}:refs/fetched/commit`], ["--depth=1"]))) return commit;
    const everything = ["refs/heads/*:refs/fetched/heads/*", "refs/tags/*:refs/fetched/tags/*"];
    const depth = (await isShallow(git)) ? ["--unshallow"] : [];
    await git.run(call(everything, depth));
  } catch (error) {
    request.signal.throwIfAborted();
    throw fetchError(repository, error);
  }
  if (await hasCommit(git, commit)) return commit;
  throw new WorkerError(
    "no-such-commit",
    `${withoutPassword(repository)} has no commit ${commit} in its branches and tags`,
  );
}

/** Makes the bare repository, or frees it of the locks of a process that was killed. */
async function prepare(git: Git): Promise<void> {
  await mkdir(git.directory, { recursive: true, mode: 0o700 });
  const names = await readdir(git.directory, { recursive: true });
  if (!names.includes("HEAD")) {
    await git.run({
      args: ["init", "--quiet", "--bare"],
      title: "git init",
      timeoutMs: LOCAL_TIMEOUT_MS,
    });
    return;
  }
  const locks = names.filter((name) => name.endsWith(".lock"));
  await Promise.all(locks.map((name) => rm(join(git.directory, name), { force: true })));
}

function hasCommit(git: Git, commit: string): Promise<boolean> {
  return git.succeeds({
    args: ["cat-file", "-e", `${commit}^{commit}`],
    title: "git cat-file",
    timeoutMs: LOCAL_TIMEOUT_MS,
  });
}

async function resolveCommit(git: Git, reference: string): Promise<string> {
  const hash = await git.run({
    args: ["rev-parse", "--verify", "--quiet", `${reference}^{commit}`],
    title: "git rev-parse",
    timeoutMs: LOCAL_TIMEOUT_MS,
  });
  return hash.trim();
}

async function isShallow(git: Git): Promise<boolean> {
  const answer = await git.run({
    args: ["rev-parse", "--is-shallow-repository"],
    title: "git rev-parse",
    timeoutMs: LOCAL_TIMEOUT_MS,
  });
  return answer.trim() === "true";
}

/**
 * Writes the files as the commit has them. Attributes of the repository could change them (line ends, filters): these win over the
 * ones in the tree. The index lies outside the tree, so nothing of git does.
 */
async function writeTree(git: Git, hash: string, tree: string): Promise<void> {
  await mkdir(tree, { recursive: true, mode: 0o700 });
  const env = { GIT_INDEX_FILE: `${tree}.index`, GIT_ATTR_NOSYSTEM: "1" };
  const attributes = join(git.directory, "info", "attributes");
  await mkdir(join(git.directory, "info"), { recursive: true });
  await writeFile(attributes, "* -text -eol -filter -ident -working-tree-encoding\n");
  const common = { timeoutMs: LOCAL_TIMEOUT_MS, env };
  await git.run({ ...common, args: ["read-tree", hash], title: "git read-tree" });
  await git.run({
    ...common,
    args: [
      "-c",
      "core.autocrlf=false",
      "-c",
      "core.symlinks=true",
      `--work-tree=${tree}`,
      "checkout-index",
      "--all",
      "--force",
    ],
    title: "git checkout-index",
  });
}

async function describeCommit(git: Git, hash: string): Promise<Commit> {
  const text = await git.run({
    args: [
      "log",
      "-1",
      "--no-show-signature",
      "--encoding=UTF-8",
      "--format=%an%x00%ae%x00%B",
      hash,
    ],
    title: "git log",
    timeoutMs: LOCAL_TIMEOUT_MS,
  });
  const [authorName = "", authorEmail = "", message = ""] = text.split("\0");
  return { hash, authorName, authorEmail, message: message.trim().slice(0, MAX_MESSAGE) };
}
