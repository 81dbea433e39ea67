import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseDerivation, type Derivation } from "@gradient/protocol";
import { runProcess } from "../../process/run.ts";
import { type NixInstallation, askVersion, findNix } from "../installation.ts";

const BUSYBOX = ["/usr/bin/busybox", "/bin/busybox"];
const TIMEOUT_MS = 60_000;

/** A real Nix with a private store: paths read /nix/store/..., the bytes lie in a temporary directory. */
export class NixFixture implements AsyncDisposable {
  readonly directory: string;
  readonly nix: NixInstallation;
  /** Of this Nix, for instance `2.8.0`. */
  readonly version: string;

  private constructor(directory: string, nix: NixInstallation, version: string) {
    this.directory = directory;
    this.nix = nix;
    this.version = version;
  }

  /**
   * `variables` is the environment of the tests: PATH says which Nix, GRADIENT_TEST_DIR where stores are made (Nix 2.34
   * takes none below a directory that everybody can write).
   */
  static async make(variables: Readonly<Record<string, string | undefined>>): Promise<NixFixture> {
    const directory = await mkdtemp(
      path.join(variables["GRADIENT_TEST_DIR"] ?? "/var/tmp", "gradient-nix-"),
    );
    const conf = path.join(directory, "conf");
    await mkdir(conf);
    const temporary = path.join(directory, "tmp");
    await mkdir(temporary);
    const lines = [
      "sandbox = true",
      "sandbox-paths =",
      // Nix ends all processes of a build user before it takes it, and stores side by side would take the same ones.
      "build-users-group =",
      "substituters =",
      "experimental-features = nix-command",
    ];
    await writeFile(path.join(conf, "nix.conf"), `${lines.join("\n")}\n`);
    const environment = {
      PATH: variables["PATH"],
      HOME: directory,
      // What Nix leaves there when it is killed goes with the rest.
      TMPDIR: temporary,
      NIX_CONF_DIR: conf,
      XDG_CACHE_HOME: path.join(directory, "cache"),
    };
    await makeSeed(path.join(directory, "tree"));
    const nix = findNix({ store: `local?root=${directory}`, environment });
    return new NixFixture(directory, nix, await askVersion(nix));
  }

  /** Directory with the seed, for expressions that stand in files. */
  get tree(): string {
    return path.join(this.directory, "tree");
  }

  /** Writes files into the tree. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(this.tree, name)), { recursive: true });
      await writeFile(path.join(this.tree, name), text);
    }
  }

  /** Removes what was written, and leaves the seed. */
  async clearTree(): Promise<void> {
    await rm(this.tree, { recursive: true, force: true });
    await makeSeed(this.tree);
  }

  /** Instantiates an expression that may use `mk` of `expression`, and resolves to the .drv path. */
  async instantiate(body: string): Promise<string> {
    const text = expression(body, this.tree);
    const output = await this.run("nix-instantiate", ["-E", text]);
    return output.trim().replace(/!\w+$/, "");
  }

  /** Everything that the derivation needs; null when that cannot be told. */
  inputsOf(drvPath: string): string[] | null {
    try {
      const { inputSrcs, inputDrvs } = this.#derivation(drvPath);
      const outputs = [...inputDrvs].flatMap(([input, names]) =>
        names.map((name) => this.#derivation(input).outputs.get(name)?.path ?? null),
      );
      return outputs.includes(null)
        ? null
        : [...inputSrcs, ...outputs.filter((path) => path !== null)];
    } catch {
      return null;
    }
  }

  #derivation(drvPath: string): Derivation {
    const { physicalStoreDirectory } = this.nix;
    return parseDerivation(readFileSync(path.join(physicalStoreDirectory, path.basename(drvPath))));
  }

  async run(command: string, args: readonly string[]): Promise<string> {
    const { environment } = this.nix;
    const result = await runProcess({ command, args, env: environment, timeoutMs: TIMEOUT_MS });
    return result.stdout.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runProcess({
      command: "chmod",
      args: ["-R", "u+w", this.directory],
      env: this.nix.environment,
      timeoutMs: TIMEOUT_MS,
    }).catch(() => {});
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** `mk name script attributes` makes a derivation that runs the script in busybox's shell. */
export function expression(body: string, tree = "./."): string {
  return `let
  seed = builtins.path { name = "seed"; path = ${tree}/seed; };
  mk = name: script: attributes: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "\${seed}/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = "/no-path";
  } // attributes);
in ${body}`;
}

async function makeSeed(tree: string): Promise<void> {
  const busybox = BUSYBOX.find((file) => existsSync(file));
  if (busybox === undefined) throw new Error("no static busybox found: install busybox-static");
  const seed = path.join(tree, "seed");
  await mkdir(seed, { recursive: true });
  await copyFile(busybox, path.join(seed, "busybox"));
  await chmod(path.join(seed, "busybox"), 0o755);
}
