import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { type NixInstallation, askVersion, findProgram } from "./installation.ts";

/** The version of a Nix that may be upgraded at any time: asked again when its program is another file than before. */
export class NixVersion {
  readonly #nix: NixInstallation;
  readonly #askVersion: typeof askVersion;
  #asked: { file: string; version: Promise<string> } | null = null;

  /** Tests replace `ask`. */
  constructor(nix: NixInstallation, ask = askVersion) {
    this.#nix = nix;
    this.#askVersion = ask;
  }

  /** For instance `2.8.0`. Rejects as `askVersion` does. */
  ask(): Promise<string> {
    const file = this.#file();
    if (this.#asked !== null && this.#asked.file === file) return this.#asked.version;
    const version = this.#askVersion(this.#nix);
    const asked = file === null ? null : { file, version };
    this.#asked = asked;
    version.catch(() => {
      if (this.#asked === asked) this.#asked = null;
    });
    return version;
  }

  /** What tells the program's file from one that takes its place; null for a script, which may start any other. */
  #file(): string | null {
    const program = findProgram(this.#nix.environment);
    if (program === null) return null;
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(program, { bigint: true });
      return isScript(program)
        ? null
        : [realpathSync(program), dev, ino, size, mtimeNs, ctimeNs].join(" ");
    } catch {
      // It is being replaced.
      return null;
    }
  }
}

function isScript(program: string): boolean {
  const start = Buffer.alloc(2);
  const file = openSync(program, "r");
  try {
    readSync(file, start);
  } finally {
    closeSync(file);
  }
  return start.toString() === "#!";
}
