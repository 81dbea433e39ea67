import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { withoutPassword, type Head, type ResolveHead } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { Lane } from "../../lane.ts";
import type { Logger } from "../../logger.ts";
import { ProcessError } from "../../process/process-error.ts";
import { failureOf } from "../job.ts";
import { FetchAccess, type FetchRules } from "./access.ts";
import { checkReference } from "./address.ts";
import { Git } from "./git.ts";

/** Whoever asks waits for it. */
const TIMEOUT_MS = 15_000;
/** Of a repository with very many references a server that cannot filter tells all of them. */
const AT_A_TIME = 4;

export interface HeadOptions {
  readonly fetchRules: FetchRules;
  /** For git; only what it needs is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where each question gets a private directory for its time. */
  readonly scratchDirectory: string;
  readonly send: (answer: Head) => void;
  readonly logger: Logger;
}

/** Answers which commit a reference of a repository is now, by the rules and with the credentials of fetches. Nothing is fetched or kept. */
export class Heads {
  readonly #options: HeadOptions;
  readonly #lane = new Lane(AT_A_TIME);
  #connection = new AbortController();

  constructor(options: HeadOptions) {
    this.#options = options;
  }

  /** Sends the answer when there is one. */
  answer(question: ResolveHead): void {
    const { signal } = this.#connection;
    const { send, logger } = this.#options;
    this.#lane
      .run(signal, () => this.#resolve(question, signal))
      .then(send, (error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, "a question about a repository failed");
      });
  }

  /** The connection is gone, and with it who asked. */
  forget(): void {
    this.#connection.abort(new WorkerError("cancel", "the connection to the coordinator is gone"));
    this.#connection = new AbortController();
  }

  async #resolve(question: ResolveHead, signal: AbortSignal): Promise<Head> {
    const directory = join(this.#options.scratchDirectory, `head-${question.question}`);
    const answer = { type: "head", question: question.question } as const;
    const hostKeys: string[] = [];
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      const commit = await this.#ask(question, { directory, signal, hostKeys });
      return { ...answer, commit, failure: null, hostKeys };
    } catch (error) {
      return { ...answer, commit: null, failure: failureOf(error), hostKeys };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #ask(
    { repository, reference, credentials }: ResolveHead,
    scope: { directory: string; signal: AbortSignal; hostKeys: string[] },
  ): Promise<string> {
    if (reference !== null) checkReference(reference);
    const { fetchRules: rules, environment } = this.#options;
    const { directory, signal, hostKeys } = scope;
    const path = environment["PATH"] ?? "";
    const access = await FetchAccess.open({ rules, credentials, directory, path });
    const remote = await access.remote(repository);
    const { url, env, config } = remote;
    const meter = { enter: [] };
    const git = new Git({ directory: join(directory, "none"), environment, meter, signal });
    try {
      const name = reference ?? "HEAD";
      const lines = await git.run({
        args: ["ls-remote", "--quiet", "--", url, name],
        title: `git ls-remote of ${withoutPassword(repository)}`,
        timeoutMs: TIMEOUT_MS,
        ...(env === undefined ? {} : { env }),
        ...(config === undefined ? {} : { config }),
      });
      return commitOf(lines, name, repository);
    } catch (error) {
      if (!(error instanceof ProcessError)) throw error;
      throw await access.explain(repository, remote, error);
    } finally {
      hostKeys.push(...(await access.ssh.newHostKeys()));
    }
  }
}

/** Git takes a name for the end of a longer one, too. */
function commitOf(lines: string, name: string, repository: string): string {
  for (const line of lines.split("\n")) {
    const [hash = "", found] = line.split("\t");
    if (found === name && /^[0-9a-f]{40}$/.test(hash)) return hash;
  }
  const shown = withoutPassword(repository);
  const text =
    name === "HEAD"
      ? `${shown} has no commit that HEAD names: is it empty, or was its main branch removed?`
      : `${shown} has no ${name.replace(/^refs\/heads\//, "branch ")}: was it removed or renamed?`;
  throw new WorkerError("no-such-reference", text);
}
