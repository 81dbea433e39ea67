/** What is remembered of one run of a package. */
export interface Run {
  /** Most memory that was measured; null when nothing was. */
  readonly peakBytes: number | null;
  /** Memory with which it ran out of memory; null when it did not. */
  readonly lackedBytes: number | null;
  /** Cores that it kept busy on the average; null when that was not measured. */
  readonly cores: number | null;
}

/** What the next run of a package is expected to need. null: nothing is known. */
export interface Estimate {
  readonly memoryBytes: number | null;
  readonly cores: number | null;
}

/** Sources of the figures: contract of nixbuild.net's API, 3.2. */
const RUNS_KEPT = 5;
const MEMORY_HEADROOM = 1.3;
const MEMORY_STEP_BYTES = 256 * 2 ** 20;
/** The choice of a worker looks at groups of builds that need the same, so there should be few different needs. */
const CORE_STEP = 0.25;

/** The last runs with one more, the newest first. */
export function withRun(runs: readonly Run[], run: Run): Run[] {
  return [run, ...runs].slice(0, RUNS_KEPT);
}

/**
 * The most that any of the runs needed: of memory with a third on top, and twice what was not enough; of cores what the run kept busy that
 * was disturbed least.
 */
export function estimateOf(runs: readonly Run[]): Estimate {
  const memory = runs.flatMap(({ peakBytes, lackedBytes }) => {
    if (lackedBytes !== null) return [2 * lackedBytes];
    return peakBytes === null ? [] : [MEMORY_HEADROOM * peakBytes];
  });
  const cores = runs.flatMap((run) => run.cores ?? []);
  return {
    memoryBytes: memory.length === 0 ? null : roundUp(Math.max(...memory), MEMORY_STEP_BYTES),
    cores: cores.length === 0 ? null : roundUp(Math.max(...cores), CORE_STEP),
  };
}

/** To a multiple of the step, of which it has at least one. */
function roundUp(amount: number, step: number): number {
  return Math.max(1, Math.ceil(amount / step)) * step;
}

/**
 * Name under which runs are remembered: without the version, as Nix cuts it off (libstore/names.cc, DrvName), so that a package has one history. What
 * fetches a package's source is something else than what builds it.
 */
export function historyName(derivation: {
  name: string;
  pname: string | null;
  isFixedOutput: boolean;
}): string {
  const { name, pname, isFixedOutput } = derivation;
  const own = pname ?? name.replace(/-[^a-zA-Z].*$/s, "");
  return isFixedOutput ? `${own} (fixed output)` : own;
}
