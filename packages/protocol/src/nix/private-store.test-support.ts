import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Real Nix with a store of its own for one test file: paths are below /nix/store, their files below a temporary directory. */
export class PrivateStore {
  /** Temporary; for the test's own files, too. */
  readonly directory: string = mkdtempSync(join(tmpdir(), "gradient-nix-"));

  constructor() {
    mkdirSync(join(this.directory, "conf"));
    const settings = ["substituters =", "experimental-features = nix-command ca-derivations", ""];
    writeFileSync(join(this.directory, "conf", "nix.conf"), settings.join("\n"));
  }

  /** Standard output of one of Nix's programs, without white space around it. Throws when the program fails. */
  run(program: string, ...args: string[]): string {
    return this.runBytes(program, ...args)
      .toString()
      .trim();
  }

  runBytes(program: string, ...args: string[]): Buffer {
    const settings = [
      `NIX_REMOTE=local?root=${this.directory}`,
      `NIX_CONF_DIR=${this.directory}/conf`,
      `XDG_CACHE_HOME=${this.directory}/cache`,
      `HOME=${this.directory}`,
    ];
    return execFileSync("env", [...settings, program, ...args], {
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  lines(program: string, ...args: string[]): string[] {
    return this.run(program, ...args).split("\n");
  }

  /** Where the file of a store path really lies. */
  file(storePath: string): string {
    return join(this.directory, storePath);
  }

  remove(): void {
    // Directories in a store are read-only, and not every test runs as root.
    execFileSync("chmod", ["-R", "u+w", this.directory]);
    rmSync(this.directory, { recursive: true });
  }
}
