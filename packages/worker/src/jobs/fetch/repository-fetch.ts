import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { withoutPassword } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { ProcessError } from "../../process/process-error.ts";
import type { FetchAccess, Remote } from "./access.ts";
import { directorySize } from "./clones.ts";
import type { Git } from "./git.ts";
import { NO_ANSWER } from "./git-errors.ts";
import { StallWatch } from "./stall-watch.ts";

const FETCH_TIMEOUT_MS = 1_800_000;
const LOCAL_TIMEOUT_MS = 120_000;
/** How often a fetch is looked at for its size. */
const WATCH_MS = 1000;
/** Why a commit alone may not be had, where everything may. */
const NEEDS_EVERYTHING = new Set(["no-such-commit", "no-such-reference", "no-shallow"]);

/** A commit of a repository; with none, the newest one of the reference. */
export interface Target {
  readonly repository: string;
  /** null: the remote's HEAD. */
  readonly reference: string | null;
  readonly commit: string | null;
}

/** Brings one commit into a bare clone, without its history where the server gives it so. */
export class RepositoryFetch {
  readonly #git: Git;
  readonly #target: Target;
  readonly #remote: Remote;
  readonly #access: FetchAccess;
  readonly #maxBytes: number;
  readonly #stallMs: number;

  constructor(
    git: Git,
    options: {
      target: Target;
      remote: Remote;
      access: FetchAccess;
      maxBytes: number;
      /** A fetch in which nothing happens for so long is given up. */
      stallMs: number;
    },
  ) {
    this.#git = git;
    this.#target = options.target;
    this.#remote = options.remote;
    this.#access = options.access;
    this.#maxBytes = options.maxBytes;
    this.#stallMs = options.stallMs;
  }

  /** Resolves to the commit's hash. Rejects with a WorkerError, or with the error of a local step. */
  async run(): Promise<string> {
    const isNew = await prepare(this.#git);
    const { commit, reference } = this.#target;
    if (commit === null) return this.#newest(reference ?? "HEAD");
    const isThere = !isNew && (await this.#has(commit));
    return isThere ? commit : this.#exactly(commit);
  }

  async #newest(reference: string): Promise<string> {
    const name = createHash("sha256").update(reference).digest("hex");
    const kept = `refs/fetched/${name}`;
    try {
      await this.#fetch([`${reference}:${kept}`], ["--depth=1"]);
    } catch (error) {
      if (!(error instanceof WorkerError) || error.code !== "no-shallow") throw error;
      await this.#fetch([`${reference}:${kept}`], []);
    }
    const hash = await this.#git.ask({
      args: ["rev-parse", "--verify", "--quiet", `${kept}^{commit}`],
      title: "git rev-parse",
      timeoutMs: LOCAL_TIMEOUT_MS,
    });
    return hash.trim();
  }

  async #exactly(commit: string): Promise<string> {
    try {
      await this.#fetch([`${commit}:refs/fetched/commit`], ["--depth=1"]);
      return commit;
    } catch (error) {
      // A server may refuse a commit that no branch or tag ends in. Then everything is fetched.
      if (!(error instanceof WorkerError) || !NEEDS_EVERYTHING.has(error.code)) throw error;
    }
    const everything = ["refs/heads/*:refs/fetched/heads/*", "refs/tags/*:refs/fetched/tags/*"];
    await this.#fetch(everything, (await this.#isShallow()) ? ["--unshallow"] : []);
    if (await this.#has(commit)) return commit;
    throw new WorkerError(
      "no-such-commit",
      `${withoutPassword(this.#target.repository)} has no commit ${commit} in its branches and tags: was the branch that held it rewritten or removed?`,
    );
  }

  async #fetch(refspecs: readonly string[], depth: readonly string[]): Promise<void> {
    const { repository } = this.#target;
    const { url, env, config } = this.#remote;
    using size = new SizeWatch(this.#git.directory, this.#maxBytes);
    using stall = new StallWatch(this.#stallMs);
    try {
      await this.#git.run({
        args: ["fetch", "--quiet", "--no-tags", "--force", "--no-recurse-submodules"].concat(
          depth,
          ["--", url],
          refspecs,
        ),
        title: `git fetch of ${withoutPassword(repository)}`,
        timeoutMs: FETCH_TIMEOUT_MS,
        signal: AbortSignal.any([size.signal, stall.signal]),
        onStart: (pid) => stall.watch(pid),
        ...(env === undefined ? {} : { env }),
        ...(config === undefined ? {} : { config }),
      });
    } catch (error) {
      throw await this.#explain(error, { tooBig: size.signal, stalled: stall.signal });
    }
  }

  async #explain(
    error: unknown,
    { tooBig, stalled }: { tooBig: AbortSignal; stalled: AbortSignal },
  ): Promise<unknown> {
    const { repository } = this.#target;
    if (tooBig.aborted) {
      const gib = (this.#maxBytes / 2 ** 30).toFixed(1);
      const text = `${withoutPassword(repository)} is too big: its clone is larger than ${gib} GiB`;
      return new WorkerError("too-big", text, { cause: error });
    }
    if (stalled.aborted) {
      const minutes = Math.round(this.#stallMs / 60_000);
      const text = `cannot fetch ${withoutPassword(repository)}: nothing came from its server for ${minutes} minutes (${NO_ANSWER})`;
      return new WorkerError("timeout", text, { isTransient: true, cause: error });
    }
    if (error instanceof ProcessError && error.code === "process_cancelled") return error;
    return this.#access.explain(repository, this.#remote, error);
  }

  #has(commit: string): Promise<boolean> {
    return this.#git.succeeds({
      args: ["cat-file", "-e", `${commit}^{tree}`],
      title: "git cat-file",
      timeoutMs: LOCAL_TIMEOUT_MS,
    });
  }

  async #isShallow(): Promise<boolean> {
    const answer = await this.#git.ask({
      args: ["rev-parse", "--is-shallow-repository"],
      title: "git rev-parse",
      timeoutMs: LOCAL_TIMEOUT_MS,
    });
    return answer.trim() === "true";
  }
}

/** Git has no limit for what it fetches: the disk is looked at while it does. */
class SizeWatch implements Disposable {
  readonly #tooBig = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  constructor(directory: string, maxBytes: number) {
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      void directorySize(directory).then((sizeBytes) => {
        this.#isLooking = false;
        if (sizeBytes > maxBytes) this.#tooBig.abort();
      });
    }, WATCH_MS);
  }

  get signal(): AbortSignal {
    return this.#tooBig.signal;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Makes the bare repository, or frees it of the locks and half packs of a process that was killed. Resolves to whether it is new. */
async function prepare(git: Git): Promise<boolean> {
  const names = await readdir(git.directory, { recursive: true });
  if (!names.includes("HEAD")) {
    await git.ask({
      args: ["init", "--quiet", "--bare", "--template="],
      title: "git init",
      timeoutMs: LOCAL_TIMEOUT_MS,
    });
    return true;
  }
  // A pack with a `.keep` is left out when packs are made one.
  const leftovers = names.filter((name) => /\.(lock|keep)$|(^|\/)tmp_(pack|idx|obj)_/.test(name));
  await Promise.all(leftovers.map((name) => rm(join(git.directory, name), { force: true })));
  return false;
}
