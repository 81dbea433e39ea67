import path from "node:path";
import type { EvaluatedJob, EvaluationMessage, UsageRecord } from "@gradient/protocol";
import type { EvaluationSubject, Evaluator, NixStore, UsageMeters } from "../../ports.ts";
import { openUsageMeters } from "../../usage/usage-meters.ts";
import { type EvaluatorOptions, openEvaluator } from "../evaluate.ts";
import { EvaluationError } from "../evaluation-error.ts";
import type { NixInstallation } from "../installation.ts";
import { NixVersion } from "../nix-version.ts";
import { openNixStore } from "../store.ts";
import { NixFixture } from "./nix-fixture.ts";

const GIBIBYTE = 1024 ** 3;

export interface Evaluated {
  /** `a.b` to the name of its derivation, or to its error. */
  jobs: Record<string, string>;
  list: EvaluatedJob[];
  messages: EvaluationMessage[];
  usage: UsageRecord;
}

type EvaluatorSettings = Partial<
  Pick<EvaluatorOptions, "processes" | "memoryCeilingBytes" | "attributeTimeoutMs" | "onUnforeseen">
>;

export interface EvaluateOptions extends EvaluatorSettings {
  /** One that has evaluated before; a new one when it is absent. */
  evaluator?: Evaluator;
  timeoutMs?: number;
  signal?: AbortSignal;
  onEvent?: () => void;
  /** Is waited for before the next event is taken. */
  onJob?: (job: EvaluatedJob) => Promise<void>;
  /** Instead of the tree. */
  subject?: EvaluationSubject;
  workingDirectory?: string;
}

/** The evaluator with a real Nix and a private store. */
export class EvaluationFixture implements AsyncDisposable {
  readonly nix: NixFixture;
  readonly store: NixStore;
  readonly #installation: NixInstallation;
  readonly #meters: UsageMeters & AsyncDisposable;
  readonly #stateDirectory: string;

  private constructor(
    nix: NixFixture,
    installation: NixInstallation,
    meters: UsageMeters & AsyncDisposable,
  ) {
    this.nix = nix;
    this.#installation = installation;
    this.#meters = meters;
    this.#stateDirectory = path.join(nix.directory, "state");
    const stateDirectory = this.#stateDirectory;
    this.store = openNixStore({ nix: installation, rootsName: "test", stateDirectory });
  }

  /** `reach` says how the store is worked with; through children of ours when it is absent. */
  static async make(
    variables: Readonly<Record<string, string | undefined>>,
    reach: (nix: NixFixture) => Promise<NixInstallation> = async ({ nix }) => nix,
  ): Promise<EvaluationFixture> {
    const nix = await NixFixture.make(variables);
    const installation = await reach(nix);
    const { daemonSocket } = installation;
    return new EvaluationFixture(nix, installation, await openUsageMeters({ daemonSocket }));
  }

  /** Removes what was written, and leaves the seed. */
  async clearTree(): Promise<void> {
    await this.nix.clearTree();
  }

  openEvaluator(settings: EvaluatorSettings = {}): Evaluator {
    return openEvaluator({
      nix: this.#installation,
      version: new NixVersion(this.#installation),
      store: this.store,
      stateDirectory: this.#stateDirectory,
      processes: 2,
      memoryCeilingBytes: 4 * GIBIBYTE,
      onUnforeseen: () => {},
      ...settings,
    });
  }

  /** Writes the files, adds the tree to the store and evaluates it. */
  async evaluate(
    files: Readonly<Record<string, string>>,
    pattern = "*",
    options: EvaluateOptions = {},
  ): Promise<Evaluated> {
    await this.nix.write(files);
    const evaluator = options.evaluator ?? this.openEvaluator(options);
    const { memoryLimitBytes } = evaluator;
    const limits = { memoryBytes: memoryLimitBytes, cores: null, hasParts: true };
    const meter = await this.#meters.start("evaluation", limits);
    const found: Omit<Evaluated, "usage"> = { jobs: {}, list: [], messages: [] };
    const { workingDirectory } = options;
    try {
      for await (const event of evaluator.evaluate({
        subject: options.subject ?? (await this.#addTree()),
        pattern,
        timeoutMs: options.timeoutMs ?? 60_000,
        meter,
        signal: options.signal ?? new AbortController().signal,
        ...(workingDirectory === undefined ? {} : { workingDirectory }),
      })) {
        options.onEvent?.();
        if (event.type === "message") found.messages.push(event.message);
        else {
          found.list.push(event.job);
          await options.onJob?.(event.job);
          found.jobs[event.job.attribute.join(".")] = textOf(event.job);
        }
      }
    } finally {
      await meter.finish([]);
    }
    return { ...found, usage: await meter.finish([]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.#meters[Symbol.asyncDispose]();
    await this.nix[Symbol.asyncDispose]();
  }

  async #addTree(): Promise<EvaluationSubject> {
    const storePath = await this.store.addTree(this.nix.tree, "source");
    return { type: "tree", directory: this.store.physicalPath(storePath), storePath };
  }
}

function textOf(job: EvaluatedJob): string {
  return job.outcome === "error" ? `error: ${job.error}` : job.drvPath.slice(44);
}

/** The error that a whole evaluation failed with. */
export async function failureOf(promise: Promise<unknown>): Promise<EvaluationError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof EvaluationError))
    throw new Error("expected an EvaluationError", { cause: error });
  return error;
}
