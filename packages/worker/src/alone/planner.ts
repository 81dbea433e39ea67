import { setImmediate } from "node:timers/promises";
import {
  type BuildLimits,
  type Derivation,
  type DerivationFacts,
  buildLimitsOf,
  isDrvPath,
  readDerivationFacts,
  storePathName,
} from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import {
  inputsOf,
  OutputIndex,
  type OutputPaths,
  outputPathsOf,
  readDerivation,
} from "../jobs/derivations.ts";
import type { NixStore, Substituter } from "../ports.ts";

/** Some milliseconds of reading at a time. */
const GIVE_WAY_EVERY = 64;

/** A derivation that has to be built. */
export interface PlannedBuild {
  readonly drvPath: string;
  readonly name: string;
  readonly inputDrvs: readonly string[];
  /** What it needs; null where a path of it, or an output, is known only when it is built: then Nix has to know what the derivation stands for. */
  readonly inputs: readonly string[] | null;
  readonly outputs: OutputPaths;
  readonly limits: BuildLimits;
}

/** Limits for every build, beside those that a derivation states. */
export type LimitBounds = Pick<BuildLimits, "timeoutSeconds" | "maxSilentSeconds">;

export interface PlannerOptions {
  readonly store: NixStore;
  readonly substituter: Substituter;
  readonly bounds: LimitBounds;
  /** Called before paths are fetched. */
  readonly onFetch: (fetch: { paths: readonly string[]; downloadBytes: number }) => void;
  readonly onWarning: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Finds out what has to be built, and lets Nix substitute the rest. */
export class Planner {
  readonly #options: PlannerOptions;
  readonly #outputs: OutputIndex;
  readonly #substituted = new Set<string>();

  constructor(options: PlannerOptions) {
    this.#options = options;
    this.#outputs = new OutputIndex(options.store);
  }

  /** Paths that were fetched for what is planned. */
  get substituted(): ReadonlySet<string> {
    return this.#substituted;
  }

  /** What has to be built for all outputs of these derivations; everything that it needs besides is valid then. */
  async plan(drvPaths: readonly string[]): Promise<PlannedBuild[]> {
    const { substituter, onWarning, signal } = this.#options;
    let missing = await substituter.missing(drvPaths, { onWarning, signal });
    if (missing.willSubstitute.length > 0 && !(await this.#fetch(missing))) {
      missing = await substituter.missingWithout(drvPaths);
    }
    const planned: PlannedBuild[] = [];
    for (const [index, drvPath] of missing.willBuild.entries()) {
      planned.push(this.#read(drvPath));
      if (index % GIVE_WAY_EVERY === GIVE_WAY_EVERY - 1) await setImmediate();
    }
    return planned;
  }

  /** False when not all could be had: then they are built, as an outage is no reason to fail. */
  async #fetch(missing: {
    willSubstitute: readonly string[];
    downloadBytes: number;
  }): Promise<boolean> {
    const { substituter, onFetch, onWarning, signal } = this.#options;
    const paths = missing.willSubstitute;
    onFetch({ paths, downloadBytes: missing.downloadBytes });
    try {
      await substituter.fetch(paths, signal);
      for (const path of paths) this.#substituted.add(path);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      onWarning(`what substituters offered could not be fetched and is built: ${reasonOf(error)}`);
      return false;
    }
  }

  #read(drvPath: string): PlannedBuild {
    const derivation = readDerivation(this.#options.store, drvPath);
    const outputs = outputPathsOf(derivation);
    const inputs = Array.from(inputsOf(derivation, this.#outputs), ({ path }) => path);
    const isKnown = [...outputs.values(), ...inputs].every((path) => path !== null);
    return {
      drvPath,
      name: derivationName(drvPath),
      inputDrvs: [...derivation.inputDrvs.keys()],
      inputs: isKnown ? inputs.filter((path) => path !== null) : null,
      outputs,
      limits: limitsOf(readDerivationFacts(derivation), this.#options.bounds),
    };
  }
}

/** Name of a derivation without hash and `.drv`. */
function derivationName(drvPath: string): string {
  return isDrvPath(drvPath) ? storePathName(drvPath).replace(/\.drv$/, "") : drvPath;
}

/** The output that an attribute stands for, as `nix-build` shows it: what evaluation told of it, else `out`, else the first one. */
export function outputOf({ outputs }: Derivation, told: string | undefined): string {
  const names = [told, "out"].filter((name) => name !== undefined);
  return names.find((name) => outputs.has(name)) ?? [...outputs.keys()][0] ?? "out";
}

function limitsOf(facts: DerivationFacts, bounds: LimitBounds): BuildLimits {
  const limits = buildLimitsOf(facts);
  return {
    ...limits,
    timeoutSeconds: smaller(limits.timeoutSeconds, bounds.timeoutSeconds),
    maxSilentSeconds: smaller(limits.maxSilentSeconds, bounds.maxSilentSeconds),
  };
}

/** As in Nix, a limit of 0 is none. */
function smaller(a: number | null, b: number | null): number | null {
  const limits = [a ?? 0, b ?? 0].filter((limit) => limit > 0);
  return limits.length === 0 ? null : Math.min(...limits);
}
