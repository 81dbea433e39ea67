import path from "node:path";
import type { Evaluator, NixStore } from "../ports.ts";
import { EvaluationResults } from "./evaluation/evaluation-results.ts";
import { Evaluation } from "./evaluation/evaluation.ts";
import type { NixInstallation } from "./installation.ts";
import type { NixVersion } from "./nix-version.ts";

/** Longest time for one attribute, builds that its evaluation waits for apart. */
const ATTRIBUTE_TIMEOUT_MS = 600_000;

export interface EvaluatorOptions {
  nix: NixInstallation;
  version: NixVersion;
  store: NixStore;
  /** For what evaluation has to write beside the store. */
  stateDirectory: string;
  /** How many processes share the attributes of an evaluation. */
  processes: number;
  /** Of one process; it is ended there. */
  memoryCeilingBytes: number;
  attributeTimeoutMs?: number;
  /** Evaluations with this version of Nix take longer from now on: it asks its store otherwise than is foreseen. */
  onUnforeseen: (nixVersion: string) => void;
}

const MAX_PROCESSES = 16;
const MAX_CEILING_BYTES = 8 * 1024 ** 3;
/** Of the machine's memory: one process may have a quarter, all together three quarters. */
const CEILING_SHARE = 0.25;
const MEMORY_SHARE = 0.75;

/** How many processes an evaluation has on a machine, and what each may need, where settings do not say so. */
export function evaluatorSize(
  machine: { cores: number; memoryBytes: number },
  settings: { evalForkWorkers: number | null; maxEvalRssBytes: number | null },
): Pick<EvaluatorOptions, "processes" | "memoryCeilingBytes"> {
  const memoryCeilingBytes =
    settings.maxEvalRssBytes ??
    Math.min(MAX_CEILING_BYTES, Math.floor(CEILING_SHARE * machine.memoryBytes));
  const processes = settings.evalForkWorkers ?? Math.min(machine.cores, MAX_PROCESSES);
  const fitting = Math.floor((MEMORY_SHARE * machine.memoryBytes) / memoryCeilingBytes);
  return { processes: Math.max(1, Math.min(processes, fitting)), memoryCeilingBytes };
}

/** Evaluates flakes, and files of classic Nix, with `nix-instantiate` and the walker. */
export function openEvaluator(options: EvaluatorOptions): Evaluator {
  const {
    nix,
    version,
    store,
    stateDirectory,
    attributeTimeoutMs = ATTRIBUTE_TIMEOUT_MS,
  } = options;
  const results = new EvaluationResults({
    directory: path.join(stateDirectory, "evaluations"),
    nix,
    version,
    store,
    now: () => Date.now(),
  });
  const unforeseen = new Set<string>();
  const evaluations = { ...options, attributeTimeoutMs, results, unforeseen };
  return {
    // One share beside those of the processes is for builds that evaluation imports from.
    memoryLimitBytes: (options.processes + 1) * options.memoryCeilingBytes,
    prepare: () => results.prepare(),
    evaluate: (request) => new Evaluation(evaluations, request).run(),
  };
}
