import { mkdir, rm, writeFile, chmod } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** A private Nix store below a directory: paths read /nix/store/..., bytes lie in the directory. */
export class NixRoot {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;

  private constructor(directory: string, env: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.env = env;
  }

  /** `settings` are further lines of nix.conf. */
  static async make(directory: string, settings: readonly string[] = []): Promise<NixRoot> {
    const conf = join(directory, "conf");
    await mkdir(conf, { recursive: true });
    const lines = [
      "substituters =",
      "sandbox = true",
      "sandbox-paths =",
      "sandbox-fallback = false",
      // Nix ends all processes of a build user before it takes it, and stores side by side would take the same ones.
      "build-users-group =",
      ...settings,
    ];
    await writeFile(join(conf, "nix.conf"), `${lines.join("\n")}\n`);
    return new NixRoot(directory, {
      ...process.env,
      NIX_REMOTE: `local?root=${directory}`,
      NIX_CONF_DIR: conf,
      XDG_CACHE_HOME: join(directory, "cache"),
      HOME: directory,
    });
  }

  /** Where the bytes of a store path lie. */
  physical(storePath: string): string {
    return join(this.directory, storePath);
  }

  /** Runs a Nix command against this store and resolves to its standard output. */
  async nix(command: string, argv: readonly string[]): Promise<string> {
    const { stdout } = await execa(command, argv, { env: this.env, extendEnv: false });
    return stdout;
  }

  /** Realises a path from a substituter alone, with signatures required. */
  async substitute(storePath: string, cache: { url: string; publicKey: string }): Promise<void> {
    await this.nix("nix-store", [
      "--realise",
      storePath,
      "--max-jobs",
      "0",
      ...substituterOptions(cache),
    ]);
  }

  async remove(): Promise<void> {
    await execa("chmod", ["-R", "u+w", this.directory], { reject: false });
    await chmod(this.directory, 0o755).catch(() => undefined);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Options of every Nix command that make a cache the only substituter and its key the only trusted one. */
export function substituterOptions(cache: { url: string; publicKey: string }): string[] {
  return [
    "--option",
    "substituters",
    cache.url,
    "--option",
    "trusted-public-keys",
    cache.publicKey,
    "--option",
    "require-sigs",
    "true",
  ];
}
