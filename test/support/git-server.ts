import { mkdir } from "node:fs/promises";
import { Daemon } from "./daemon.ts";
import { eventually } from "./api-client.ts";
import { freePort, isListening } from "./ports.ts";

/** Serves every Git repository below a directory by the git protocol, on loopback. */
export class GitServer implements AsyncDisposable {
  readonly port: number;
  private readonly daemon: Daemon;

  private constructor(daemon: Daemon, port: number) {
    this.daemon = daemon;
    this.port = port;
  }

  static async start(directory: string): Promise<GitServer> {
    await mkdir(directory, { recursive: true });
    const port = await freePort();
    const daemon = new Daemon(
      "git daemon",
      "git",
      [
        "daemon",
        "--export-all",
        `--base-path=${directory}`,
        "--listen=127.0.0.1",
        `--port=${port}`,
        "--reuseaddr",
        directory,
      ],
      process.env,
    );
    await eventually("git daemon to listen", 10_000, async () =>
      (await isListening(port)) ? true : null,
    );
    return new GitServer(daemon, port);
  }

  url(name: string): string {
    return `git://127.0.0.1:${this.port}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.stop();
  }
}
