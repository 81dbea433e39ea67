import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface NixRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Real Nix with a store of its own. Its programs run beside the test's server, in other processes. */
export class TestNixStore implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(settings: readonly string[] = []): Promise<TestNixStore> {
    const directory = await mkdtemp(join(tmpdir(), "coordinator-nix-"));
    await mkdir(join(directory, "conf"));
    const lines = [
      "substituters =",
      "experimental-features = nix-command ca-derivations",
      "sandbox = true",
      "sandbox-paths =",
      "sandbox-fallback = false",
      "build-users-group =",
      ...settings,
    ];
    await writeFile(join(directory, "conf", "nix.conf"), `${lines.join("\n")}\n`);
    return new TestNixStore(directory);
  }

  /** Whatever comes of it. */
  async try(program: string, ...args: string[]): Promise<NixRun> {
    const { directory } = this;
    const env = {
      ...process.env,
      NIX_REMOTE: `local?root=${directory}`,
      NIX_CONF_DIR: join(directory, "conf"),
      XDG_CACHE_HOME: join(directory, "cache"),
      HOME: directory,
    };
    try {
      const { stdout, stderr } = await run(program, args, { env, maxBuffer: 1 << 28 });
      return { code: 0, stdout: stdout.trim(), stderr };
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || !("stderr" in error)) throw error;
      return { code: Number(error.code), stdout: "", stderr: String(error.stderr) };
    }
  }

  /** Standard output without white space around it. Throws when the program fails. */
  async run(program: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(program, ...args);
    if (code !== 0) throw new Error(`${program} ${args.join(" ")} failed with ${code}: ${stderr}`);
    return stdout;
  }

  /** Forgets which narinfos it has seen. */
  async forget(): Promise<void> {
    await rm(join(this.directory, "cache"), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Directories in a store are read-only, and not every test runs as root.
    await run("chmod", ["-R", "u+w", this.directory]);
    await rm(this.directory, { recursive: true });
  }
}
