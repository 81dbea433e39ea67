import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { runProcess } from "../process/run.ts";
import { startProcess, type RunningProcess } from "../process/start.ts";
import { freePort, listening } from "./git-server.ts";

/** What `npm test` has put beside the machine's programs (scripts/lib/sshd.mjs); undefined for the machine's own. */
const BESIDE = process.env["GRADIENT_TEST_SSHD"];
const SSHD = BESIDE === undefined ? "/usr/sbin/sshd" : join(BESIDE, "bin/sshd");
/** Compiled into it, wanted when it runs as root. */
const PRIVILEGE_SEPARATION = "/run/sshd";
const ENV = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin" };

/** Why there can be no ssh server here; null when there can. */
export const sshServerFault: string | null = existsSync(SSHD)
  ? null
  : `no ${SSHD} (Debian's package openssh-server), and none that npm test has fetched`;

/** A private `sshd` on loopback that lets the user of the tests in with one key. */
export class SshGitServer implements AsyncDisposable {
  readonly port: number;
  /** OpenSSH private key that may log in. */
  readonly key: string;
  readonly #directory: string;
  #daemon: RunningProcess | null = null;

  private constructor(directory: string, port: number, key: string) {
    this.#directory = directory;
    this.port = port;
    this.key = key;
  }

  /** `directory` holds the server's own files; repositories are named by their whole path. */
  static async start(directory: string): Promise<SshGitServer> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const port = await freePort();
    const client = await makeKey(join(directory, "client-key"), "ed25519");
    await rename(join(directory, "client-key.pub"), join(directory, "authorized_keys"));
    const server = new SshGitServer(directory, port, client);
    await server.changeHostKey("ed25519");
    return server;
  }

  /** `ssh://` address of a repository by its path on this machine. */
  url(path: string): string {
    return `ssh://${userInfo().username}@127.0.0.1:${this.port}${path}`;
  }

  /** From now on the host shows another key. */
  async changeHostKey(type: "ed25519" | "ecdsa"): Promise<void> {
    await this.#daemon?.end(1000);
    const file = join(this.#directory, "host-key");
    await rm(file, { force: true });
    await rm(`${file}.pub`, { force: true });
    await makeKey(file, type);
    const config = join(this.#directory, "sshd_config");
    const lines = [
      `Port ${this.port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${file}`,
      `AuthorizedKeysFile ${join(this.#directory, "authorized_keys")}`,
      "StrictModes no",
      "PasswordAuthentication no",
      "UsePAM no",
      "PidFile none",
      "PermitRootLogin yes",
    ];
    if (BESIDE !== undefined) {
      lines.push(`SshdSessionPath ${join(BESIDE, "bin/sshd-session")}`);
      lines.push(`SshdAuthPath ${join(BESIDE, "bin/sshd-auth")}`);
    }
    await writeFile(config, `${lines.join("\n")}\n`);
    await mkdir(PRIVILEGE_SEPARATION, { recursive: true }).catch(() => undefined);
    this.#daemon = await startProcess({
      command: SSHD,
      args: ["-D", "-e", "-f", config],
      env: BESIDE === undefined ? ENV : { ...ENV, ...(await this.#accounts(BESIDE)) },
    });
    this.#daemon.stdout.resume();
    this.#daemon.stderr.resume();
    await listening(this.port);
  }

  /** SHA256 fingerprint of the key that the host shows now. */
  async fingerprint(): Promise<string> {
    const { stdout } = await runProcess({
      command: "ssh-keygen",
      args: ["-l", "-f", join(this.#directory, "host-key.pub")],
      env: ENV,
      timeoutMs: 10_000,
    });
    return /SHA256:\S+/.exec(stdout.toString())?.[0] ?? "";
  }

  /**
   * Lets the server see the accounts that it needs, by libnss_wrapper: one for its privilege separation, which only its
   * package makes, and the tests' user, who may be locked on this machine (`!` in shadow), with a home of their own.
   */
  async #accounts(beside: string): Promise<Record<string, string>> {
    const { username, uid, gid } = userInfo();
    const files = {
      NSS_WRAPPER_PASSWD:
        `${username}:x:${uid}:${gid}::${this.#directory}:/bin/sh\n` +
        `sshd:x:65534:65534::${PRIVILEGE_SEPARATION}:/usr/sbin/nologin\n`,
      NSS_WRAPPER_SHADOW: `${username}:*:19000::::::\nsshd:*:19000::::::\n`,
      NSS_WRAPPER_GROUP: `${username}:x:${gid}:\nnogroup:x:65534:\n`,
    };
    const environment: Record<string, string> = {
      LD_PRELOAD: join(beside, "lib/libnss_wrapper.so"),
    };
    for (const [variable, contents] of Object.entries(files)) {
      environment[variable] = join(this.#directory, variable);
      await writeFile(environment[variable], contents);
    }
    return environment;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.end(1000);
  }
}

/** Writes a key pair, and gives the private one. */
export async function makeKey(file: string, type: "ed25519" | "ecdsa"): Promise<string> {
  await runProcess({
    command: "ssh-keygen",
    args: ["-q", "-t", type, "-N", "", "-f", file],
    env: ENV,
    timeoutMs: 20_000,
  });
  return readFile(file, "utf8");
}
