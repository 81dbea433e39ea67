import { mkdir, writeFile } from "node:fs/promises";
import { createConnection, createServer, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { runProcess } from "../process/run.ts";
import { startProcess, type RunningProcess } from "../process/start.ts";

const ENV = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ada Lovelace",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada Lovelace",
  GIT_COMMITTER_EMAIL: "ada@example.org",
};

/** A real repository, written to with the git command line. */
export class TestRepository {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  async init(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    await this.git("init", "--quiet", "--initial-branch=main");
  }

  /** Writes the files, commits everything, and gives the commit's hash. */
  async commit(files: Record<string, string | Buffer>, message: string): Promise<string> {
    for (const [name, contents] of Object.entries(files)) {
      const path = join(this.directory, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, contents);
    }
    await this.git("add", "--all");
    await this.git("commit", "--quiet", "--allow-empty", "-m", message);
    return (await this.git("rev-parse", "HEAD")).trim();
  }

  async git(...args: string[]): Promise<string> {
    const { stdout } = await runProcess({
      command: "git",
      args: ["-C", this.directory, ...args],
      env: ENV,
      timeoutMs: 30_000,
    });
    return stdout.toString("utf8");
  }
}

/** `git daemon` on a free port of the loopback interface, for everything below a directory. */
export class GitServer implements AsyncDisposable {
  readonly url: string;
  readonly #daemon: RunningProcess;

  private constructor(url: string, daemon: RunningProcess) {
    this.url = url;
    this.#daemon = daemon;
  }

  static async start(directory: string): Promise<GitServer> {
    const port = await freePort();
    const daemon = await startProcess({
      command: "git",
      args: [
        "daemon",
        "--listen=127.0.0.1",
        `--port=${port}`,
        "--export-all",
        "--reuseaddr",
        `--base-path=${directory}`,
        directory,
      ],
      env: {
        ...ENV,
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
      },
    });
    daemon.stdout.resume();
    daemon.stderr.resume();
    await listening(port);
    return new GitServer(`git://127.0.0.1:${port}`, daemon);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.end(1000);
  }
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Resolves when something takes connections at the port. */
export async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: "127.0.0.1", port });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => setTimeout(() => resolve(false), 25));
    });
    if (isOpen) return;
  }
  throw new Error(`nothing listens on port ${port}`);
}
