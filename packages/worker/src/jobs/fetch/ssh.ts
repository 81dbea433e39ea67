import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GitCredentials, RepositoryAddress } from "@gradient/protocol";
import { WorkerError } from "../../errors.ts";
import { ProcessError } from "../../process/process-error.ts";
import { runProcess } from "../../process/run.ts";

export const NO_SSH_ADVICE = "install OpenSSH's client on the worker";
const KEYGEN_TIMEOUT_MS = 20_000;

type NetworkAddress = Exclude<RepositoryAddress, { transport: "file" }>;

/** The keys that one job may show and the hosts that it may believe, in files of its private directory (the caller removes it). */
export class SshAccess {
  readonly #directory: string;
  readonly #credentials: GitCredentials | null;
  readonly #path: string;

  private constructor(options: {
    credentials: GitCredentials | null;
    directory: string;
    path: string;
  }) {
    this.#credentials = options.credentials;
    this.#directory = options.directory;
    this.#path = options.path;
  }

  /** `path` is where programs are looked up. */
  static async open(options: {
    credentials: GitCredentials | null;
    directory: string;
    path: string;
  }): Promise<SshAccess> {
    const access = new SshAccess(options);
    const { credentials } = options;
    if (credentials === null) return access;
    const { sshPrivateKey } = credentials;
    if (sshPrivateKey !== null) {
      await writeFile(access.#keyFile, withFinalNewline(sshPrivateKey), { mode: 0o600 });
    }
    if (access.#pins) {
      const known = withFinalNewline(credentials.knownHosts ?? "");
      await writeFile(access.#knownHostsFile, known, { mode: 0o600 });
    }
    return access;
  }

  /**
   * The environment that makes git use exactly these: no agent, no key of whoever runs the worker, and only hosts that are known or may be
   * believed.
   */
  async environment(address: NetworkAddress): Promise<Record<string, string>> {
    const key = this.#credentials?.sshPrivateKey ?? null;
    const options = ["BatchMode=yes", "ConnectTimeout=20", "UpdateHostKeys=no"];
    options.push("IdentitiesOnly=yes", "IdentityAgent=none");
    options.push(`IdentityFile=${key === null ? "none" : `"${this.#keyFile}"`}`);
    if (this.#pins) {
      options.push(
        "GlobalKnownHostsFile=/dev/null",
        `UserKnownHostsFile="${this.#knownHostsFile}"`,
      );
    }
    // Believing a new key of a host that is known already would believe an attacker who has one of another type.
    const isNew =
      this.#credentials?.acceptsNewHosts === true && (await this.#knownKeys(address)).length === 0;
    options.push(`StrictHostKeyChecking=${isNew ? "accept-new" : "yes"}`);
    const words = ["ssh", "-F", "/dev/null"];
    for (const option of options) words.push("-o", quoted(option));
    return { GIT_SSH_COMMAND: words.join(" ") };
  }

  /** Lines of known_hosts that were not known before. */
  async newHostKeys(): Promise<string[]> {
    if (!this.#pins) return [];
    const before = new Set(linesOf(this.#credentials?.knownHosts ?? ""));
    const now = linesOf(await readFile(this.#knownHostsFile, "utf8"));
    return now.filter((line) => !before.has(line));
  }

  /** The failure of a fetch that ended because the host has another key than the known one; null for any other. */
  async changedKey(address: NetworkAddress, error: unknown): Promise<WorkerError | null> {
    if (!(error instanceof ProcessError) || !this.#pins) return null;
    if (!/host key verification failed/i.test(error.stderr)) return null;
    const known = await this.#knownKeys(address);
    if (known.length === 0) return null;
    const [shown] = /SHA256:[A-Za-z0-9+/]{43}/.exec(error.stderr) ?? [];
    const now = shown === undefined ? "a key of another type" : shown;
    return new WorkerError(
      "host-key-changed",
      `the ssh host key of ${hostName(address)} has changed: known is ${known.join(", ")}, and the host shows ${now}. ` +
        "Either somebody is in between, or the host has a new key: if you know that it has, remove the known one (DELETE /api/v1/orgs/ORG/known-hosts/HOST) and try again",
      { cause: error },
    );
  }

  /** What to do about failures, by their codes, where it is not what it is for others. */
  get advice(): Readonly<Record<string, string>> {
    if (this.#credentials !== null) return {};
    const advice =
      "the organization's key goes only with projects whose own address is one of ssh: give the project such an address, or a submodule one that is relative or https";
    return { "host-key-unknown": advice, "git-authentication": advice };
  }

  /** Whether the files are the only truth about hosts. */
  get #pins(): boolean {
    const { knownHosts, acceptsNewHosts } = this.#credentials ?? {};
    return typeof knownHosts === "string" || acceptsNewHosts === true;
  }

  get #keyFile(): string {
    return join(this.#directory, "ssh-key");
  }

  get #knownHostsFile(): string {
    return join(this.#directory, "known-hosts");
  }

  /** Fingerprints of the keys that the host is known by. ssh-keygen finds hashed names, too. */
  async #knownKeys(address: NetworkAddress): Promise<string[]> {
    if (!this.#pins) return [];
    try {
      const { stdout } = await runProcess({
        command: "ssh-keygen",
        args: ["-l", "-F", hostName(address), "-f", this.#knownHostsFile],
        env: { PATH: this.#path, LC_ALL: "C" },
        timeoutMs: KEYGEN_TIMEOUT_MS,
      });
      return stdout.toString("utf8").match(/SHA256:[A-Za-z0-9+/]{43}/g) ?? [];
    } catch (error) {
      if (!(error instanceof ProcessError)) throw error;
      if (error.exitCode === 1) return [];
      if (error.code !== "process_not_started") throw error;
      const text = `${hostName(address)} cannot be reached over ssh: ${error.message} (${NO_SSH_ADVICE})`;
      throw new WorkerError("no-ssh", text, { isTransient: true, cause: error });
    }
  }
}

/** How known_hosts names it. */
function hostName({ host, port }: NetworkAddress): string {
  const name = host.replace(/^\[(.*)\]$/, "$1");
  return port === null || port === 22 ? name : `[${name}]:${port}`;
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** OpenSSH refuses a key whose last line does not end. */
function withFinalNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** One word for the shell that git starts for GIT_SSH_COMMAND. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
