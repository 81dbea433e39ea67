import {
  type EvaluatedJob,
  type EvaluationMessage,
  type UsageRecord,
  formatAttributePath,
} from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import { outputPathsOf, readDerivation } from "../jobs/derivations.ts";
import type { Builder, NixStore, Signer, Substituter } from "../ports.ts";
import { type EvaluationRun, type SelectedEvent, evaluateSelections } from "./evaluate.ts";
import { exitCodeOf } from "./exit-code.ts";
import { type LimitBounds, Planner, outputOf } from "./planner.ts";
import { Realisation } from "./realisation.ts";
import type { JobRecord, JobStatus, RunReport } from "./report.ts";
import { type Selection, inOrder } from "./selection.ts";
import type { BuildView } from "./view.ts";

const INTERRUPTED_EXIT_CODE = 130;

export interface BuildRun extends Omit<EvaluationRun, "signal"> {
  readonly store: NixStore;
  readonly substituter: Substituter;
  readonly builder: Builder;
  readonly signer: Signer | null;
  readonly slots: number;
  readonly keepsGoing: boolean;
  readonly bounds: LimitBounds;
  readonly rootOwner: string;
  /** What to do about an error, to be said behind it. */
  readonly hintFor: (error: string) => string;
  readonly view: BuildView;
  /** Ends everything at once. */
  readonly signal: AbortSignal;
}

interface FoundJob {
  readonly job: EvaluatedJob;
  readonly selection: Selection;
}

/** Evaluates, substitutes, builds, measures and signs. Whatever happens stands in the report. */
export async function runBuild(run: BuildRun): Promise<RunReport> {
  return new AloneBuild(run).run();
}

class AloneBuild {
  readonly #run: BuildRun;
  readonly #planner: Planner;
  readonly #realisation: Realisation;
  readonly #startedAt = Date.now();
  readonly #begin = performance.now();
  readonly #jobs: FoundJob[] = [];
  readonly #messages: EvaluationMessage[] = [];
  readonly #errors: string[] = [];
  #isEvaluating = true;
  #fetching = 0;

  constructor(run: BuildRun) {
    this.#run = run;
    const { store, substituter, builder, signer, slots, keepsGoing, rootOwner, view, signal } = run;
    this.#planner = new Planner({
      store,
      substituter,
      bounds: run.bounds,
      onFetch: (fetch) => {
        this.#fetching = fetch.paths.length;
        view.fetching(fetch);
      },
      onWarning: (text) => this.#warn(text),
      signal,
    });
    this.#realisation = new Realisation({
      store,
      builder,
      planner: this.#planner,
      signer,
      slots,
      keepsGoing,
      rootOwner,
      view,
      onProgress: () => this.#progress(),
      signal,
    });
  }

  async run(): Promise<RunReport> {
    const realised = this.#realisation.run().catch((error: unknown) => this.#fail(error));
    await this.#evaluate();
    // Builds may go on for hours: they are no part of what evaluation took.
    const evaluationUsage = await this.#run.meter.finish([]);
    this.#realisation.close();
    await realised;
    return await this.#report(evaluationUsage);
  }

  async #evaluate(): Promise<void> {
    const signal = AbortSignal.any([this.#run.signal, this.#realisation.stopped]);
    try {
      for await (const event of evaluateSelections({ ...this.#run, signal })) this.#take(event);
    } catch (error) {
      // What was ended because a build failed, or somebody asked for it, is no failure of its own.
      if (!signal.aborted) this.#fail(error);
    } finally {
      this.#isEvaluating = false;
      this.#progress();
    }
  }

  #take(event: SelectedEvent): void {
    if (event.type === "message") {
      this.#tell(event.message);
      return;
    }
    const { job, selection } = event;
    this.#jobs.push({ job, selection });
    this.#progress();
    if (job.outcome === "derivation") {
      this.#realisation.want(job.drvPath);
      return;
    }
    const name = formatAttributePath(job.attribute);
    const text = `${name}: ${job.error}${this.#run.hintFor(job.error)}`;
    this.#run.view.message({ level: "Error", text });
    if (!this.#run.keepsGoing) this.#realisation.stop();
  }

  /** Says the same only once: Nix asks substituters again for every handful of derivations. */
  #warn(text: string): void {
    if (this.#messages.some((message) => message.text === text)) return;
    this.#tell({ level: "Warning", text });
  }

  #tell(message: EvaluationMessage): void {
    this.#messages.push(message);
    this.#run.view.message(message);
  }

  #fail(error: unknown): void {
    const reason = reasonOf(error);
    const text = `${reason}${this.#run.hintFor(reason)}`;
    this.#errors.push(text);
    this.#run.view.message({ level: "Error", text });
    if (!this.#run.keepsGoing) this.#realisation.stop();
  }

  #progress(): void {
    const builds = this.#realisation.counts;
    if (builds.total > 0) this.#fetching = 0;
    this.#run.view.progress({
      jobs: this.#jobs.length,
      isEvaluating: this.#isEvaluating,
      isPlanning: this.#realisation.isPlanning,
      builds,
      fetching: this.#fetching,
    });
  }

  async #report(evaluationUsage: UsageRecord): Promise<RunReport> {
    const { target, selections } = this.#run;
    const jobs: JobRecord[] = [];
    for (const selection of selections) {
      const found = this.#jobs.filter((each) => each.selection === selection);
      const records = await Promise.all(found.map(({ job }) => this.#recordOf(job)));
      jobs.push(...inOrder(selection, records));
    }
    return {
      version: 1,
      target: target.text,
      pattern: selections.map(({ patterns }) => patterns.join(" or ")).join("; "),
      startedAt: this.#startedAt,
      // The clock may have been set meanwhile.
      stoppedAt: this.#startedAt + Math.round(performance.now() - this.#begin),
      exitCode: this.#exitCode(jobs),
      jobs,
      builds: this.#realisation.records,
      dependencyFailed: this.#realisation.dependencyFailed(),
      substituted: [...this.#planner.substituted],
      evaluation: { usage: evaluationUsage },
      messages: this.#messages,
      errors: [...this.#errors, ...this.#realisation.errors],
    };
  }

  #exitCode(jobs: readonly JobRecord[]): number {
    if (this.#run.signal.aborted) return INTERRUPTED_EXIT_CODE;
    const isFine = jobs.every(({ status }) => SUCCESSES.has(status));
    if (isFine && this.#errors.length === 0) return 0;
    // nix-build evaluates everything before it builds anything, so that it has no other failure beside this one.
    if (jobs.some(({ status }) => status === "error")) return exitCodeOf(0);
    return exitCodeOf(this.#realisation.failureBits);
  }

  async #recordOf(job: EvaluatedJob): Promise<JobRecord> {
    const { attribute } = job;
    if (job.outcome === "error") {
      return { attribute, drvPath: null, output: null, status: "error", error: job.error };
    }
    const { drvPath, outputName } = job;
    const derivation = readDerivation(this.#run.store, drvPath);
    const name = outputOf(derivation, outputName);
    const stated = outputPathsOf(derivation).get(name) ?? null;
    const status = this.#statusOf(drvPath, stated);
    const path = stated ?? (SUCCESSES.has(status) ? await this.#builtPath(drvPath, name) : null);
    return { attribute, drvPath, output: { name, path }, status, error: null };
  }

  /** Of an output whose path is known only after the build. */
  async #builtPath(drvPath: string, name: string): Promise<string | null> {
    return (await this.#run.store.outputPaths(drvPath)).get(name) ?? null;
  }

  #statusOf(drvPath: string, path: string | null): JobStatus {
    switch (this.#realisation.stateOf(drvPath)) {
      case "built":
        return "built";
      case "failed":
        return "failed";
      case "dependency_failed":
        return "dependency_failed";
      case "waiting":
      case "ready":
      case "building":
      case "abandoned":
        return "cancelled";
      case null:
        if (!this.#realisation.isPlanned(drvPath)) return "cancelled";
        return path !== null && this.#planner.substituted.has(path) ? "substituted" : "valid";
    }
  }
}

const SUCCESSES: ReadonlySet<JobStatus> = new Set(["built", "substituted", "valid"]);
