import { STORE_DIR } from "@gradient/protocol";
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { TreeSize } from "./tree-size.ts";

/** Attributes are larger only when somebody wants them to be. */
const MAX_ATTRIBUTES_BYTES = 4 * 1024 * 1024;
const STORE_PATH = /^\/nix\/store\/([0-9a-z]{32}-[\w+.?=-]{1,211})$/;

/** The directories that one running build writes to, kept open so that they outlive its processes. */
export class BuildScratch implements Disposable {
  readonly #directory: number;
  /** The store as the build sees it: in a sandbox a directory of its own, in which only inputs and outputs are. */
  readonly #store: number;
  readonly #outputs: readonly string[];

  private constructor(directory: number, store: number, outputs: readonly string[]) {
    this.#directory = directory;
    this.#store = store;
    this.#outputs = outputs;
  }

  /** The scratch of the first process that Nix started as a builder, or that one of its builders started. */
  static find(procDirectory: string, pids: readonly number[]): BuildScratch | null {
    for (const pid of pids) {
      const environment = readEnvironment(path.join(procDirectory, String(pid), "environ"));
      const top = environment.get("NIX_BUILD_TOP");
      // A shell made by Nix has the variables of a build, and so has what is started in it: this worker, for instance.
      if (top === undefined || environment.has("IN_NIX_SHELL")) continue;
      const root = path.join(procDirectory, String(pid), "root");
      const scratch = BuildScratch.#open(root, top, environment);
      if (scratch !== null) return scratch;
    }
    return null;
  }

  static #open(
    root: string,
    top: string,
    environment: ReadonlyMap<string, string>,
  ): BuildScratch | null {
    const directory = openDirectory(path.join(root, top));
    if (directory === null) return null;
    const store = openDirectory(path.join(root, STORE_DIR));
    if (store === null) {
      closeSync(directory);
      return null;
    }
    return new BuildScratch(directory, store, outputsOf(environment, directory));
  }

  /** Bytes on disk now. */
  async measure(
    signal: AbortSignal,
  ): Promise<{ directoryBytes: number; outputBytes: number; costMs: number }> {
    const directory = new TreeSize(signal);
    await directory.add(pathOf(this.#directory));
    const outputs = new TreeSize(signal);
    for (const name of this.#outputs) await outputs.add(path.join(pathOf(this.#store), name));
    return {
      directoryBytes: directory.bytes,
      outputBytes: outputs.bytes,
      costMs: directory.costMs + outputs.costMs,
    };
  }

  [Symbol.dispose](): void {
    closeSync(this.#directory);
    closeSync(this.#store);
  }
}

function pathOf(descriptor: number): string {
  // The trailing part makes it the directory itself, not the link to it.
  return `/proc/self/fd/${descriptor}/.`;
}

function openDirectory(directory: string): number | null {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return null;
  }
}

function readEnvironment(file: string): Map<string, string> {
  try {
    const entries = readFileSync(file, "utf8").split("\0");
    return new Map(
      entries.map((entry) => {
        const at = entry.indexOf("=");
        return [entry.slice(0, at), entry.slice(at + 1)] as const;
      }),
    );
  } catch {
    // It has ended, or belongs to somebody whose environment is hidden from us.
    return new Map();
  }
}

const structuredSchema = z.object({ outputs: z.record(z.string(), z.string()) });

/** Names in the store. The variable `outputs` lists variables; with structured attributes a file in the build directory does. */
function outputsOf(environment: ReadonlyMap<string, string>, directory: number): string[] {
  const names = (environment.get("outputs") ?? "out").split(/\s+/);
  const paths = environment.has("NIX_ATTRS_JSON_FILE")
    ? structuredOutputs(directory)
    : names.map((name) => environment.get(name) ?? "");
  return paths.flatMap((each) => STORE_PATH.exec(each)?.[1] ?? []);
}

function structuredOutputs(directory: number): string[] {
  try {
    const text = readStrangersFile(path.join(pathOf(directory), ".attrs.json"));
    return Object.values(structuredSchema.parse(JSON.parse(text)).outputs);
  } catch {
    return [];
  }
}

/** A builder may have put anything in its place: a pipe would hold up everything, a device would fill the memory. */
function readStrangersFile(file: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > MAX_ATTRIBUTES_BYTES) return "";
    const bytes = Buffer.alloc(stats.size);
    return bytes.toString("utf8", 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}
