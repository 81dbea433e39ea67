/** Where one derivation of the graph is. Only the last four are ends. */
export type NodeState =
  /** Inputs are missing. */
  | "waiting"
  | "ready"
  | "building"
  | "built"
  | "failed"
  /** An input failed, directly or further down. */
  | "dependency_failed"
  /** Nobody wants it any more. */
  | "abandoned";

interface Node {
  readonly drvPath: string;
  state: NodeState;
  /** Inputs in the graph that are not built. */
  waitsFor: number;
  readonly dependents: Node[];
  /** How many came before it. */
  readonly order: number;
  /** Longest chain of dependents above it; null until it is measured. */
  height: number | null;
}

export interface GraphCounts {
  readonly total: number;
  readonly building: number;
  readonly built: number;
  /** With those that failed because an input did. */
  readonly failed: number;
}

/**
 * The derivations that have to be built, and which of them wait for which. It grows while evaluation goes on. An input that is not in it is valid
 * already. Of those that are ready the one with the longest chain of dependents is built first: the whole takes at least as long as that chain.
 */
export class BuildGraph {
  readonly #nodes = new Map<string, Node>();
  /** The next one to build is the last. */
  readonly #ready: Node[] = [];
  #areHeightsStale = false;
  #building = 0;
  #built = 0;
  #failed = 0;

  has(drvPath: string): boolean {
    return this.#nodes.has(drvPath);
  }

  stateOf(drvPath: string): NodeState | null {
    return this.#nodes.get(drvPath)?.state ?? null;
  }

  get counts(): GraphCounts {
    return {
      total: this.#nodes.size,
      building: this.#building,
      built: this.#built,
      failed: this.#failed,
    };
  }

  /** Whether something is built or could be. */
  get isBusy(): boolean {
    return this.#building > 0 || this.#ready.length > 0;
  }

  /** Adds derivations in any order; those that are there already stay as they are. */
  add(derivations: readonly { drvPath: string; inputDrvs: Iterable<string> }[]): void {
    const added = derivations.filter(({ drvPath }) => !this.#nodes.has(drvPath));
    for (const { drvPath } of added) {
      const order = this.#nodes.size;
      const node: Node = {
        drvPath,
        state: "waiting",
        waitsFor: 0,
        dependents: [],
        order,
        height: null,
      };
      this.#nodes.set(drvPath, node);
    }
    const nodes = added.map(({ drvPath, inputDrvs }) => this.#link(drvPath, inputDrvs));
    for (const node of nodes) {
      if (node.state === "waiting" && node.waitsFor === 0) this.#makeReady(node);
    }
    if (added.length > 0) this.#areHeightsStale = true;
  }

  /** The next one to build, which counts as building from now on; null when none is ready. */
  take(): string | null {
    if (this.#areHeightsStale) this.#measureHeights();
    const node = this.#ready.pop();
    if (node === undefined) return null;
    node.state = "building";
    this.#building += 1;
    return node.drvPath;
  }

  /** What waited for nothing else becomes ready. Throws for one that is not in the graph. */
  built(drvPath: string): void {
    const node = this.#endOf(drvPath, "built");
    this.#built += 1;
    for (const dependent of node.dependents) {
      dependent.waitsFor -= 1;
      if (dependent.state === "waiting" && dependent.waitsFor === 0) this.#makeReady(dependent);
    }
  }

  /** What needs it fails with it, directly or not. Throws for one that is not in the graph. */
  failed(drvPath: string): void {
    const node = this.#endOf(drvPath, "failed");
    this.#failed += 1;
    this.#failDependents(node);
  }

  /** What has not begun never will. */
  abandon(): void {
    this.#ready.length = 0;
    for (const node of this.#nodes.values()) {
      if (node.state === "waiting" || node.state === "ready") node.state = "abandoned";
    }
  }

  /** One that was taken was given up. */
  abandoned(drvPath: string): void {
    this.#endOf(drvPath, "abandoned");
  }

  #link(drvPath: string, inputDrvs: Iterable<string>): Node {
    const node = this.#node(drvPath);
    for (const inputDrv of new Set(inputDrvs)) {
      const input = this.#nodes.get(inputDrv);
      if (input === undefined || input.state === "built") continue;
      if (input.state === "failed" || input.state === "dependency_failed") this.#fail(node);
      input.dependents.push(node);
      node.waitsFor += 1;
    }
    return node;
  }

  #makeReady(node: Node): void {
    node.state = "ready";
    let low = 0;
    for (let high = this.#ready.length; low < high;) {
      const middle = (low + high) >> 1;
      const other = this.#ready[middle];
      if (other !== undefined && isBefore(node, other)) low = middle + 1;
      else high = middle;
    }
    this.#ready.splice(low, 0, node);
  }

  /** Not by recursion, as below. What was added may be a dependent of what was there. */
  #measureHeights(): void {
    this.#areHeightsStale = false;
    for (const node of this.#nodes.values()) node.height = null;
    for (const node of this.#nodes.values()) {
      const open = [node];
      for (let next = open.at(-1); next !== undefined; next = open.at(-1)) {
        const unknown = next.dependents.filter(({ height }) => height === null);
        for (const each of unknown) open.push(each);
        if (unknown.length > 0) continue;
        next.height = 0;
        for (const each of next.dependents) next.height = Math.max(next.height, heightAbove(each));
        open.pop();
      }
    }
    this.#ready.sort((a, b) => (isBefore(a, b) ? 1 : -1));
  }

  #endOf(drvPath: string, state: NodeState): Node {
    const node = this.#node(drvPath);
    node.state = state;
    this.#building -= 1;
    return node;
  }

  #fail(node: Node): void {
    if (node.state !== "waiting") return;
    node.state = "dependency_failed";
    this.#failed += 1;
    this.#failDependents(node);
  }

  /** Not by recursion: graphs are deeper than the call stack. */
  #failDependents(node: Node): void {
    const open = [...node.dependents];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.state !== "waiting") continue;
      next.state = "dependency_failed";
      this.#failed += 1;
      open.push(...next.dependents);
    }
  }

  #node(drvPath: string): Node {
    const node = this.#nodes.get(drvPath);
    if (node === undefined) throw new Error(`${drvPath} is not in the graph`);
    return node;
  }
}

function heightAbove({ height }: Node): number {
  return (height ?? 0) + 1;
}

function isBefore(a: Node, b: Node): boolean {
  const longer = (a.height ?? 0) - (b.height ?? 0);
  return longer === 0 ? a.order < b.order : longer > 0;
}
