import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { evaluatedJobSchema, evaluationMessageSchema } from "@gradient/protocol";
import { z } from "zod";
import type { EvaluationEvent, NixStore } from "../../ports.ts";
import { readLines } from "../../process/lines.ts";
import { runProcess } from "../../process/run.ts";
import type { NixInstallation } from "../installation.ts";
import type { NixVersion } from "../nix-version.ts";
import { WALKER } from "./walker.ts";

const MAX_AGE_MS = 7 * 24 * 3600 * 1000;
const MAX_FILES = 200;
const MAX_TOTAL_BYTES = 256 * 1024 * 1024;
/** So much is written at a time. */
const WRITE_CHARACTERS = 64 * 1024;
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Derivations that the store is asked for at a time. */
const VALIDITY_BATCH = 1000;
const SYSTEM_TIMEOUT_MS = 30_000;
/** A change of what is stored, or of how it is found, makes older results unreadable. */
const FORMAT = 2;

const eventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("job"), job: evaluatedJobSchema }),
  z.object({ type: z.literal("message"), message: evaluationMessageSchema }),
]);

/**
 * Results of earlier evaluations, one file each: lines of events. A result is answered again only while all its derivations
 * are still valid in the store, and not for longer than a week; the oldest go when there are too many.
 */
export class EvaluationResults {
  readonly #directory: string;
  readonly #nix: NixInstallation;
  readonly #store: NixStore;
  readonly #now: () => number;
  readonly #version: NixVersion;
  #system: Promise<string> | null = null;

  constructor(options: {
    directory: string;
    nix: NixInstallation;
    version: NixVersion;
    store: NixStore;
    now: () => number;
  }) {
    this.#directory = options.directory;
    this.#nix = options.nix;
    this.#version = options.version;
    this.#store = options.store;
    this.#now = options.now;
  }

  /** Asks Nix what `key` needs to know of it. */
  prepare(): void {
    this.#askNix().catch(() => {});
  }

  /** Everything that decides what comes out, as one name. */
  async key(facts: { source: string; pattern: string }): Promise<string> {
    const { environment } = this.#nix;
    const [system, version] = await this.#askNix();
    const own = { version, environment, system, format: FORMAT, walker: WALKER };
    return createHash("sha256")
      .update(JSON.stringify({ ...facts, ...own }))
      .digest("hex");
  }

  /** An earlier result with its age, or null when there is none that still holds. */
  async find(
    key: string,
  ): Promise<{ ageMs: number; events: AsyncIterable<EvaluationEvent> } | null> {
    const file = this.#file(key);
    const facts = await stat(file).catch(() => null);
    if (facts === null) return null;
    const ageMs = this.#now() - facts.mtimeMs;
    if (ageMs > MAX_AGE_MS || !(await this.#holds(file))) {
      await rm(file, { force: true });
      return null;
    }
    return { ageMs, events: readEvents(file) };
  }

  /** Begins to write a result down. Nothing is kept before `keep`. */
  async record(key: string): Promise<ResultRecord> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    return ResultRecord.open(this.#file(key), () => this.#prune());
  }

  #askNix(): Promise<[system: string, version: string]> {
    this.#system ??= currentSystem(this.#nix).catch((error: unknown) => {
      // The next evaluation asks again.
      this.#system = null;
      throw error;
    });
    return Promise.all([this.#system, this.#version.ask()]);
  }

  #file(key: string): string {
    return path.join(this.#directory, `${key}.jsonl`);
  }

  async #holds(file: string): Promise<boolean> {
    let drvPaths = new Set<string>();
    try {
      for await (const event of readEvents(file)) {
        if (event.type !== "job" || event.job.outcome !== "derivation") continue;
        drvPaths.add(event.job.drvPath);
        if (drvPaths.size < VALIDITY_BATCH) continue;
        if (!(await this.#areValid(drvPaths))) return false;
        drvPaths = new Set();
      }
      return await this.#areValid(drvPaths);
    } catch {
      // Damaged, or of another format.
      return false;
    }
  }

  async #areValid(drvPaths: ReadonlySet<string>): Promise<boolean> {
    if (drvPaths.size === 0) return true;
    return (await this.#store.validPaths([...drvPaths])).size === drvPaths.size;
  }

  /** Removes the oldest beyond the bounds, and what a crash has left half written. */
  async #prune(): Promise<void> {
    const names = await readdir(this.#directory);
    const files = await Promise.all(
      names.map(async (name) => {
        const file = path.join(this.#directory, name);
        const facts = await stat(file).catch(() => null);
        return { file, sizeBytes: facts?.size ?? 0, writtenAt: facts?.mtimeMs ?? 0 };
      }),
    );
    let count = 0;
    let totalBytes = 0;
    for (const { file, sizeBytes, writtenAt } of files.toSorted(
      (a, b) => b.writtenAt - a.writtenAt,
    )) {
      count += 1;
      totalBytes += sizeBytes;
      const isOld = this.#now() - writtenAt > MAX_AGE_MS;
      if (isOld || count > MAX_FILES || totalBytes > MAX_TOTAL_BYTES)
        await rm(file, { force: true });
    }
  }
}

/** A result that is being written. A disk that is full only costs the answer next time. */
export class ResultRecord implements AsyncDisposable {
  readonly #file: string;
  readonly #temporary: string;
  readonly #onKept: () => Promise<void>;
  /** null when it can not be written. */
  #handle: FileHandle | null;
  #pending = "";
  #sizeBytes = 0;

  private constructor(options: {
    file: string;
    temporary: string;
    handle: FileHandle | null;
    onKept: () => Promise<void>;
  }) {
    this.#file = options.file;
    this.#temporary = options.temporary;
    this.#handle = options.handle;
    this.#onKept = options.onKept;
  }

  static async open(file: string, onKept: () => Promise<void>): Promise<ResultRecord> {
    const temporary = `${file}.${randomUUID()}.tmp`;
    const handle = await open(temporary, "wx", 0o600).catch(() => null);
    return new ResultRecord({ file, temporary, handle, onKept });
  }

  async add(event: EvaluationEvent): Promise<void> {
    if (this.#handle === null) return;
    this.#pending += `${JSON.stringify(event)}\n`;
    if (this.#pending.length >= WRITE_CHARACTERS) await this.#write();
  }

  /** Makes the result known. */
  async keep(): Promise<void> {
    await this.#write();
    if (this.#handle === null) return;
    await this.#close();
    await rename(this.#temporary, this.#file)
      .then(this.#onKept)
      .catch(() => undefined);
  }

  /** Removes what was not kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  async #write(): Promise<void> {
    const text = this.#pending;
    this.#pending = "";
    this.#sizeBytes += Buffer.byteLength(text);
    try {
      if (this.#sizeBytes <= MAX_TOTAL_BYTES) await this.#handle?.appendFile(text);
      else await this.#close();
    } catch {
      await this.#close();
    }
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => undefined);
  }
}

async function currentSystem(nix: NixInstallation): Promise<string> {
  const { stdout } = await runProcess({
    command: "nix-instantiate",
    args: ["--eval", "--expr", "builtins.currentSystem"],
    env: nix.environment,
    timeoutMs: SYSTEM_TIMEOUT_MS,
  });
  return stdout.toString().trim();
}

async function* readEvents(file: string): AsyncGenerator<EvaluationEvent, void, undefined> {
  for await (const line of readLines(createReadStream(file), MAX_LINE_BYTES)) {
    const event = eventSchema.parse(JSON.parse(line));
    if (event.type === "job") yield { type: "job", job: event.job };
    else yield { type: "message", message: event.message };
  }
}
