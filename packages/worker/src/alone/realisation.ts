import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { reasonOf } from "../error-facts.ts";
import type { OutputPaths } from "../jobs/derivations.ts";
import { decideOutcome, type Outcome } from "../outcome.ts";
import type { Builder, NixStore, Signer } from "../ports.ts";
import { failureBits } from "./exit-code.ts";
import { BuildGraph, type GraphCounts, type NodeState } from "./graph.ts";
import { LogTail } from "./log-tail.ts";
import type { PlannedBuild, Planner } from "./planner.ts";
import type { BuildRecord, BuiltOutput } from "./report.ts";
import type { BuildView } from "./view.ts";

export interface RealisationOptions {
  readonly store: NixStore;
  readonly builder: Builder;
  readonly planner: Planner;
  /** null: outputs are not signed. */
  readonly signer: Signer | null;
  /** Builds at the same time. */
  readonly slots: number;
  /** Go on with what does not depend on a failure. */
  readonly keepsGoing: boolean;
  /** Holds the roots of what is built until all is done. */
  readonly rootOwner: string;
  readonly view: BuildView;
  /** Something has changed that a view may want to show. */
  readonly onProgress: () => void;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** Makes the outputs of derivations valid, which come while it works: plans, substitutes, builds, measures and signs. */
export class Realisation {
  readonly #options: RealisationOptions;
  readonly #graph = new BuildGraph();
  readonly #planned = new Map<string, PlannedBuild>();
  /** What was wanted, once it is known what it needs. */
  readonly #answered = new Set<string>();
  readonly #records: BuildRecord[] = [];
  readonly #signings: Promise<void>[] = [];
  readonly #errors: string[] = [];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #wanted: string[] = [];
  #planning: Promise<void> | null = null;
  #isClosed = false;
  #bits = 0;
  #wake: () => void = () => undefined;
  #failure: { error: unknown } | null = null;

  constructor(options: RealisationOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    // Every build listens to it.
    setMaxListeners(0, this.#signal);
  }

  /** In the order in which they ended. */
  get records(): readonly BuildRecord[] {
    return this.#records;
  }

  /** What went wrong beside the builds. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  get counts(): GraphCounts {
    return this.#graph.counts;
  }

  /** Whether Nix is asked right now what has to be built. */
  get isPlanning(): boolean {
    return this.#planning !== null;
  }

  /** Bits for `exitCodeOf`. */
  get failureBits(): number {
    return this.#bits;
  }

  /** Fires at the first failure, unless it keeps going. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  stateOf(drvPath: string): NodeState | null {
    return this.#graph.stateOf(drvPath);
  }

  /** Whether it is known what this wanted derivation needs: then it is in the graph, or valid. */
  isPlanned(drvPath: string): boolean {
    return this.#answered.has(drvPath) || this.#graph.has(drvPath);
  }

  /** Derivations that failed without being begun. */
  dependencyFailed(): string[] {
    return [...this.#planned.keys()].filter((path) => this.stateOf(path) === "dependency_failed");
  }

  /** Its outputs are wanted, with all that it needs. More may be wanted until `close`. */
  want(drvPath: string): void {
    this.#wanted.push(drvPath);
    this.#wake();
  }

  /** Nothing more will be wanted. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** Ends what runs and begins nothing new. */
  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  /** Resolves when everything wanted is built or has failed. Rejects when it could not even be planned. */
  async run(): Promise<void> {
    const onAbort = (): void => this.#wake();
    this.#signal.addEventListener("abort", onAbort);
    try {
      for (;;) {
        const changed = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        if (this.#signal.aborted) this.#graph.abandon();
        else this.#startReady();
        if (this.#isDone()) break;
        await changed;
      }
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
    await Promise.all(this.#signings);
    if (this.#failure !== null) throw this.#failure.error;
  }

  #isDone(): boolean {
    if (this.#planning !== null || this.#graph.isBusy) return false;
    return this.#signal.aborted || (this.#isClosed && this.#wanted.length === 0);
  }

  #startReady(): void {
    if (this.#planning === null && this.#wanted.length > 0) this.#startPlanning();
    // One more than there are slots: the slot is free before the last figures of its build are read.
    while (this.#graph.counts.building <= this.#options.slots) {
      const drvPath = this.#graph.take();
      if (drvPath === null) break;
      void this.#perform(this.#plannedOf(drvPath));
    }
  }

  /** What is wanted meanwhile is planned together afterwards. */
  #startPlanning(): void {
    this.#planning = this.#plan(this.#wanted.splice(0))
      .catch((error: unknown) => {
        // What is ended is no failure of its own.
        if (!this.#signal.aborted) this.#fail(error);
      })
      .finally(() => {
        this.#planning = null;
        this.#options.onProgress();
        this.#wake();
      });
    this.#options.onProgress();
  }

  async #plan(drvPaths: readonly string[]): Promise<void> {
    const { store, planner, rootOwner, onProgress } = this.#options;
    const unique = [...new Set(drvPaths)].filter((path) => !this.#graph.has(path));
    if (unique.length === 0) return;
    await store.addRoots(rootOwner, unique);
    const planned = await planner.plan(unique);
    await store.addRoots(rootOwner, [...new Set(planned.flatMap(pathsOf))]);
    for (const each of planned) this.#planned.set(each.drvPath, each);
    this.#graph.add(planned);
    for (const each of unique) this.#answered.add(each);
    onProgress();
  }

  /** Never rejects. */
  async #perform(planned: PlannedBuild): Promise<void> {
    try {
      await this.#build(planned);
    } catch (error) {
      this.#graph.abandoned(planned.drvPath);
      if (!this.#signal.aborted) this.#fail(error);
    }
    this.#options.onProgress();
    this.#wake();
  }

  async #build(planned: PlannedBuild): Promise<void> {
    const { builder, view, onProgress } = this.#options;
    const { drvPath, name, inputs, limits } = planned;
    const log = new LogTail();
    const { end, usage } = await builder.build({
      name: `build-${randomUUID()}`,
      drvPath,
      inputs,
      limits,
      onStart: (live) => {
        view.started({ drvPath, name }, live);
        onProgress();
      },
      onLog: (text) => log.append(text),
      signal: this.#signal,
    });
    const outcome = decideOutcome(end, usage);
    const isBuilt = outcome.outcome === "built";
    const record: BuildRecord = {
      drvPath,
      name,
      ...outcome,
      startedAt: end.startedAt,
      stoppedAt: end.stoppedAt,
      outputs: isBuilt ? await this.#outputsOf(planned) : [],
      usage,
      logTail: isBuilt ? [] : log.lines(),
    };
    this.#records.push(record);
    view.ended(record);
    if (isBuilt) this.#sign(record.outputs);
    this.#settle(drvPath, outcome, failureBits(end, outcome));
  }

  #settle(drvPath: string, { outcome }: Outcome, bits: number): void {
    if (outcome === "built") {
      this.#graph.built(drvPath);
      return;
    }
    if (outcome === "cancelled") {
      this.#graph.abandoned(drvPath);
      return;
    }
    this.#graph.failed(drvPath);
    // What is ended because of the first failure adds nothing to the exit code.
    if (this.#signal.aborted) return;
    this.#bits |= bits;
    if (!this.#options.keepsGoing) this.stop();
  }

  async #outputsOf({ drvPath, outputs }: PlannedBuild): Promise<BuiltOutput[]> {
    const { store, rootOwner } = this.#options;
    let paths: OutputPaths | ReadonlyMap<string, string> = outputs;
    if ([...outputs.values()].includes(null)) {
      const built = await store.outputPaths(drvPath);
      await store.addRoots(rootOwner, [...built.values()]);
      paths = built;
    }
    const found = [...paths].map(async ([name, path]) => {
      const facts = path === null ? null : await store.pathFacts(path);
      return facts === null ? [] : [{ name, path: facts.path, sizeBytes: facts.narSize }];
    });
    return (await Promise.all(found)).flat();
  }

  /** Beside the builds that follow: a signature is no reason to wait. */
  #sign(outputs: readonly BuiltOutput[]): void {
    const { signer } = this.#options;
    if (signer === null || outputs.length === 0) return;
    const signing = signer.sign(outputs.map(({ path }) => path)).catch((error: unknown) => {
      this.#warn(`outputs could not be signed: ${reasonOf(error)}`);
    });
    this.#signings.push(signing.then(() => undefined));
  }

  /** Says the same only once. */
  #warn(text: string): void {
    if (this.#errors.includes(text)) return;
    this.#errors.push(text);
    this.#options.view.message({ level: "Warning", text });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.stop();
  }

  #plannedOf(drvPath: string): PlannedBuild {
    const planned = this.#planned.get(drvPath);
    if (planned === undefined) throw new Error(`${drvPath} was not planned`);
    return planned;
  }
}

/** What has to stay in the store until all is done. */
function pathsOf({ inputs, outputs }: PlannedBuild): string[] {
  return [...(inputs ?? []), ...outputs.values()].filter((path) => path !== null);
}
