import { chmod, copyFile, lstat, mkdir, mkdtemp, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { BUSYBOX } from "./expressions.ts";
import { NixRoot } from "./nix-root.ts";
import { commands } from "./programs.ts";

/** A set of derivations for each way in which a build may end. */
export const EXPRESSION = `{ salt ? "0", marker ? "none" }:
let
  seed = ./seed;
  mk = name: script: attributes: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "\${seed}/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = seed;
  } // attributes);
  fixed = hash: { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = hash; };
  zero = "0000000000000000000000000000000000000000000000000000";
in rec {
  base = mk "base" "echo building base; echo base > $out" { };
  hello = mk "hello" "cat \${base} > $out; echo \${marker} >> $out" { };
  renamed = two.dev;
  noOut = mk "no-out" "echo 1 > $bin; echo 2 > $dev" { outputs = [ "dev" "bin" ]; };
  two = mk "two" "echo \${hello}; echo 1 > $out; echo 2 > $dev" { outputs = [ "out" "dev" ]; };
  fails = mk "fails" "echo first; echo reason; exit 3" { };
  above = mk "above" "echo \${fails} > $out" { };
  lasting = mk "lasting" "echo waiting; busybox sleep 2; echo \${base} > $out" { };
  floating = mk "floating" "echo \${base} > $out" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  slow = mk "slow" "echo waiting; busybox sleep 60; echo > $out" { };
  mismatch = mk "mismatch" "echo other > $out" (fixed zero);
  fetchFails = mk "fetch-fails" "exit 9" (fixed zero);
  noOutput = mk "no-output" "true" { };
  foreign = mk "foreign" "echo > $out" { system = "mips-plan9"; };
  throws = throw "no such luck";
  sets.recurseForDerivations = true;
  sets.inner = mk "inner" "echo > $out" { };
  hidden.inner = mk "hidden" "echo > $out" { };
  list = [ two.dev [ hello hidden ] base ];
  long = builtins.genList (n: mk "long-\${toString n}" "echo > $out" { }) 11;
  strange = [ base "text" ];
}
`;

/** What `gradient-worker build --json` prints, as far as tests read it. */
export interface BuildDocument {
  startedAt: number;
  stoppedAt: number;
  evaluation: { usage: { wallMs: number } };
  jobs: { output: { path: string } }[];
  substituted: string[];
  dependencyFailed: string[];
  builds: { name: string; outcome: string; outputs: object[]; usage: { wallMs: number } }[];
}

interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** A directory with an expression to build, for the worker's commands without a coordinator and for Nix's own. */
export class AloneScene implements AsyncDisposable {
  readonly directory: string;
  /** Of the expression. */
  readonly source: string;
  /** One store for ours, one for nix-build's: each has to build everything itself. */
  readonly ours: NixRoot;
  readonly theirs: NixRoot;

  private constructor(directory: string, stores: { ours: NixRoot; theirs: NixRoot }) {
    this.directory = directory;
    this.source = join(directory, "source");
    this.ours = stores.ours;
    this.theirs = stores.theirs;
  }

  static async make(): Promise<AloneScene> {
    if (BUSYBOX === undefined) throw new Error("no busybox found; install busybox-static");
    const parent = process.env["GRADIENT_TEST_DIR"] ?? tmpdir();
    const directory = await mkdtemp(join(parent, "gradient-alone-"));
    const [ours, theirs] = [join(directory, "ours"), join(directory, "theirs")];
    const stores = { ours: await NixRoot.make(ours), theirs: await NixRoot.make(theirs) };
    const scene = new AloneScene(directory, stores);
    const seed = join(scene.source, "seed");
    await mkdir(seed, { recursive: true });
    await writeFile(join(scene.source, "default.nix"), EXPRESSION);
    await copyFile(BUSYBOX, join(seed, "busybox"));
    await chmod(join(seed, "busybox"), 0o755);
    return scene;
  }

  /** A file with the same derivations that nobody has built yet. */
  async fresh(salt: string): Promise<string> {
    const file = join(this.source, `${salt}.nix`);
    await writeFile(file, `import ./. { salt = "${salt}"; }`);
    return file;
  }

  /** A directory to run in: links are made there. */
  place(): Promise<string> {
    return mkdtemp(join(this.directory, "place-"));
  }

  /** Runs our command, given as words with spaces between. */
  worker(line: string, options: RunOptions = {}) {
    const { command, argv } = commands.worker;
    return execa(command, [...argv, ...line.split(" ")], this.#run(options));
  }

  /** Runs a line of bash, in which `$WORKER` is our command. */
  shell(line: string, options: RunOptions = {}) {
    return execa("bash", ["-c", line], this.#run(options));
  }

  nixBuild(line: string, cwd = this.directory) {
    const env = this.theirs.env;
    return execa("nix-build", line.split(" "), { cwd, env, extendEnv: false, reject: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ours.remove();
    await this.theirs.remove();
    await rm(this.directory, { recursive: true, force: true });
  }

  #run({ cwd = this.directory, env = {} }: RunOptions) {
    const { command, argv } = commands.worker;
    return {
      cwd,
      env: {
        ...this.ours.env,
        GRADIENT_WORKER_DATA_DIR: join(this.directory, "state"),
        WORKER: [command, ...argv].join(" "),
        ...env,
      },
      extendEnv: false,
      reject: false,
      timeout: 60_000,
    } as const;
  }
}

/** Options of Nix's newer commands. */
export const NIX_COMMAND = ["--extra-experimental-features", "nix-command"];

/** Where a link leads; null when there is none. */
export async function target(link: string): Promise<string | null> {
  const found = await lstat(link).catch(() => null);
  return found?.isSymbolicLink() === true ? readlink(link) : null;
}
