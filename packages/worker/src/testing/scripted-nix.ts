import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  dumpPath,
  formatDerivation,
  narHashOf,
  parseStorePath,
  usageRecordSchema,
  type PathFacts,
} from "@gradient/protocol";
import type {
  BuildEnd,
  BuildSlot,
  EvaluationEvent,
  Evaluator,
  NixStore,
  Signer,
  UsageMeter,
  UsageMeters,
} from "../ports.ts";
import { outputPathsOf, readDerivation } from "../jobs/derivations.ts";
import { endTimes } from "../nix/build-listener.ts";
import { storePath } from "./offers.ts";

export const USAGE = usageRecordSchema.parse({
  cpuQuality: "exact",
  memoryQuality: "exact",
  wallMs: 12,
  cpuUserMs: 3,
  cpuSystemMs: 1,
  coresAverage: 0.3,
  memoryPeakBytes: 1000,
  memoryRawPeakBytes: 2000,
  memoryLimitBytes: null,
  oomKills: 0,
  cpuThrottledMs: 0,
  ioReadBytes: null,
  ioWriteBytes: null,
  processesPeak: 1,
  source: "test",
  series: [],
});

/** The part of `USAGE` that a meter tells; the rest is the job's. */
export const MEASURED = {
  cpuQuality: USAGE.cpuQuality,
  memoryQuality: USAGE.memoryQuality,
  wallMs: USAGE.wallMs,
  cpuUserMs: USAGE.cpuUserMs,
  cpuSystemMs: USAGE.cpuSystemMs,
  memoryPeakBytes: USAGE.memoryPeakBytes,
  source: USAGE.source,
} as const;

/** A store of plain files in a directory: enough for everything that is not about Nix itself. */
export class ScriptedStore implements NixStore {
  readonly roots = new Map<string, Set<string>>();
  readonly imported: string[] = [];
  readonly #directory: string;
  readonly #facts = new Map<string, PathFacts>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Adds a file under a path made from the name. */
  async add(
    name: string,
    contents: string | Buffer,
    references: string[] = [],
  ): Promise<PathFacts> {
    const path = storePath(name);
    await mkdir(this.#directory, { recursive: true });
    await writeFile(this.physicalPath(path), contents);
    const facts = await this.#describe(path, references);
    this.#facts.set(path, facts);
    return facts;
  }

  /** Adds a derivation with one output and gives its path. */
  async addDerivation(
    name: string,
    inputs: { drvs?: string[]; sources?: string[] } = {},
  ): Promise<{ drvPath: string; output: string }> {
    const output = storePath(name);
    const bytes = formatDerivation({
      outputs: new Map([["out", { path: parseStorePath(output), hashAlgo: "", hash: "" }]]),
      inputDrvs: new Map((inputs.drvs ?? []).map((path) => [path as never, ["out"]])),
      inputSrcs: (inputs.sources ?? []).map(parseStorePath),
      system: "x86_64-linux",
      builder: "/bin/sh",
      args: [],
      env: new Map([["name", name]]),
    });
    const references = [...(inputs.drvs ?? []), ...(inputs.sources ?? [])];
    const facts = await this.add(`${name}.drv`, bytes, references);
    return { drvPath: facts.path, output };
  }

  prepare(): void {}

  physicalPath(path: string): string {
    return join(this.#directory, basename(path));
  }

  async validPaths(paths: readonly string[]): Promise<Set<string>> {
    return new Set(paths.filter((path) => this.#facts.has(path)));
  }

  async pathFacts(path: string): Promise<PathFacts | null> {
    return this.#facts.get(path) ?? null;
  }

  async outputPaths(drvPath: string): Promise<Map<string, string>> {
    const outputs = outputPathsOf(readDerivation(this, drvPath));
    return new Map([...outputs].flatMap(([name, path]) => (path === null ? [] : [[name, path]])));
  }

  /** Takes NARs of single files, whose contents begin at a known place. */
  async addPath(facts: PathFacts, nar: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of nar) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const hash = narHashOf(createHash("sha256").update(bytes).digest());
    if (hash !== facts.narHash) throw new Error(`hash of ${facts.path} is wrong`);
    for (const path of facts.references) {
      if (path !== facts.path && !this.#facts.has(path)) throw new Error(`${path} is not valid`);
    }
    const size = Number(bytes.readBigUInt64LE(88));
    await mkdir(this.#directory, { recursive: true });
    await writeFile(this.physicalPath(facts.path), bytes.subarray(96, 96 + size));
    this.#facts.set(facts.path, facts);
    this.imported.push(facts.path);
  }

  addTree(): Promise<string> {
    throw new Error("the scripted store holds files only");
  }

  async addRoots(owner: string, paths: readonly string[]): Promise<void> {
    const owned = this.roots.get(owner) ?? new Set();
    for (const path of paths) owned.add(path);
    this.roots.set(owner, owned);
  }

  async removeRoots(owner: string): Promise<void> {
    this.roots.delete(owner);
  }

  async addIndirectRoot(): Promise<void> {}

  async rootOwners(): Promise<string[]> {
    return [...this.roots.keys()];
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #describe(path: string, references: readonly string[]): Promise<PathFacts> {
    const hash = createHash("sha256");
    let narSize = 0;
    for await (const chunk of dumpPath(this.physicalPath(path))) {
      hash.update(chunk);
      narSize += chunk.length;
    }
    return {
      path,
      narHash: narHashOf(hash.digest()),
      narSize,
      references: references.toSorted(),
      deriver: null,
      ca: null,
      signatures: [],
    };
  }
}

type BuildRequest = Parameters<BuildSlot["build"]>[0];

/** A build that is under way, and that the test brings to its end. */
export class ScriptedBuild {
  readonly request: BuildRequest;
  readonly end: (end: Partial<BuildEnd>) => void;
  readonly ended: Promise<BuildEnd>;

  constructor(request: BuildRequest) {
    this.request = request;
    let resolveEnd: (end: BuildEnd) => void = () => undefined;
    this.ended = new Promise((resolve) => {
      resolveEnd = resolve;
    });
    const times = endTimes(Date.now() * 1000, Date.now() * 1000);
    this.end = (end) => resolveEnd({ status: 0, message: null, ...times, endedBy: null, ...end });
    const cancel = (): void => this.end({ status: null, message: "cancelled", endedBy: "cancel" });
    request.signal.addEventListener("abort", cancel, { once: true });
  }
}

/** Build slots whose builds the test plays. */
export class ScriptedBuilds {
  readonly all: ScriptedBuild[] = [];
  /** So many were opened. */
  slots = 0;
  #waiting: (() => void)[] = [];

  readonly openSlot = (): BuildSlot => {
    this.slots += 1;
    return {
      pid: null,
      enter: async () => {},
      build: (request) => {
        const build = new ScriptedBuild(request);
        this.all.push(build);
        for (const resolve of this.#waiting.splice(0)) resolve();
        return build.ended;
      },
      [Symbol.asyncDispose]: async () => {},
    };
  };

  /** The `count`th build that was started, whenever it is. */
  async started(count = 1): Promise<ScriptedBuild> {
    for (;;) {
      const build = this.all[count - 1];
      if (build) return build;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export const scriptedSigner: Signer = {
  publicKey: `worker-test-1:${Buffer.alloc(32).toString("base64")}`,
  sign: async (paths) => new Map(paths.map((path) => [path, `worker-test-1:signature of ${path}`])),
};

export const scriptedMeters: UsageMeters = {
  mode: {
    source: "test",
    cpu: "exact",
    memory: "exact",
    pressure: "none",
    limits: { memory: true, cores: true, processes: true },
    advice: [],
  },
  description: "the same figures for everything",
  start: async (): Promise<UsageMeter> => ({
    add: async () => {},
    remove: async () => {},
    enter: [],
    makePart: () => null,
    current: () => USAGE,
    isGroup: true,
    watchStorage: () => {},
    begin: () => true,
    kill: async () => {},
    figures: async () => USAGE,
    finish: async () => USAGE,
  }),
};

/** An evaluation that tells these events. */
export function scriptedEvaluator(
  evaluate: (request: Parameters<Evaluator["evaluate"]>[0]) => AsyncIterable<EvaluationEvent>,
): Evaluator {
  return { memoryLimitBytes: 1024 ** 3, prepare: () => {}, evaluate };
}
