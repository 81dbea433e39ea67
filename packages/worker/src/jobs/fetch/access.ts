import { copyFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FetchSpec, RepositoryAddress } from "@gradient/protocol";
import { errnoOf } from "../../error-facts.ts";
import { WorkerError } from "../../errors.ts";
import { readRepository } from "./address.ts";
import { fetchError } from "./git-errors.ts";
import type { GitCall } from "./git.ts";
import { SshAccess } from "./ssh.ts";

/** What the operator of this worker allows its fetches. */
export interface FetchRules {
  /** Repositories below these directories may be fetched by `file:`. */
  readonly localDirectories: readonly string[];
  /** User names and passwords for https, in the format of git's credential store (`https://user:password@host` a line); null for none. */
  readonly credentialsFile: string | null;
}

/** An address that may be fetched, and what git needs for it. */
export interface Remote extends Pick<GitCall, "env" | "config"> {
  readonly address: RepositoryAddress;
  /** What git is given. */
  readonly url: string;
}

/** Decides for one job what may be fetched, and with which secrets. They lie in the job's private directory for its time. */
export class FetchAccess {
  readonly ssh: SshAccess;
  readonly #rules: FetchRules;
  readonly #directory: string;

  private constructor(options: { rules: FetchRules; directory: string; ssh: SshAccess }) {
    this.#rules = options.rules;
    this.#directory = options.directory;
    this.ssh = options.ssh;
  }

  /** Writes the secrets into the directory. What may be fetched is decided when it is asked for. */
  static async open(options: {
    rules: FetchRules;
    credentials: FetchSpec["credentials"];
    directory: string;
    path: string;
  }): Promise<FetchAccess> {
    return new FetchAccess({ ...options, ssh: await SshAccess.open(options) });
  }

  /** Rejects with a final WorkerError for what may not be fetched. */
  async remote(repository: string): Promise<Remote> {
    const address = readRepository(repository);
    switch (address.transport) {
      case "file":
        return this.#local(repository, address);
      case "ssh":
        return { address, url: repository, env: await this.ssh.environment(address) };
      case "https":
      case "http":
        return { address, url: repository, config: await this.#passwords() };
      case "git":
        return { address, url: repository };
    }
  }

  /** Why git could not reach what `remote` gave, and what to do. Throws what is no failure of a process. */
  async explain(repository: string, { address }: Remote, error: unknown): Promise<WorkerError> {
    if (address.transport !== "ssh") return fetchError(repository, error);
    const changed = await this.ssh.changedKey(address, error);
    return changed ?? fetchError(repository, error, this.ssh.advice);
  }

  async #local(
    repository: string,
    address: Extract<RepositoryAddress, { transport: "file" }>,
  ): Promise<Remote> {
    const path = await realpath(address.path).catch(() => address.path);
    const allowed = await Promise.all(
      this.#rules.localDirectories.map((each) => realpath(each).catch(() => null)),
    );
    if (!allowed.some((each) => each !== null && isWithin(path, each))) {
      throw new WorkerError(
        "repository-not-allowed",
        `repository ${JSON.stringify(repository)} cannot be fetched: the operator of this worker has not allowed that directory (--local-repositories)`,
      );
    }
    // The operator has allowed it, whoever owns it. Git asks for that in a file, as its own child does not see the settings of the command line.
    const config = join(this.#directory, "git-config");
    await writeFile(config, "[safe]\n\tdirectory = *\n");
    const env = { GIT_ALLOW_PROTOCOL: "file", GIT_CONFIG_GLOBAL: config };
    return { address, url: `file://${path}`, env };
  }

  /** Git gets a copy: it removes what a server has refused from the file that it is given. */
  async #passwords(): Promise<string[]> {
    const { credentialsFile } = this.#rules;
    if (credentialsFile === null) return [];
    const copy = join(this.#directory, "git-credentials");
    await copyFile(credentialsFile, copy).catch((cause: unknown) => {
      throw new WorkerError(
        "credentials-unreadable",
        `the worker's file of git credentials cannot be read: ${errnoOf(cause) ?? String(cause)} (the worker's operator has named it with --git-credentials)`,
        { cause },
      );
    });
    return [`credential.helper=store --file='${copy.replaceAll("'", String.raw`'\''`)}'`];
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
