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
 * already.
 */
export class BuildGraph {
  readonly #nodes = new Map<string, Node>();
  readonly #ready: Node[] = [];
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
      this.#nodes.set(drvPath, { drvPath, state: "waiting", waitsFor: 0, dependents: [] });
    }
    const nodes = added.map(({ drvPath, inputDrvs }) => this.#link(drvPath, inputDrvs));
    for (const node of nodes) {
      if (node.state === "waiting" && node.waitsFor === 0) this.#makeReady(node);
    }
  }

  /** The next one to build, which counts as building from now on; null when none is ready. */
  take(): string | null {
    const node = this.#ready.shift();
    if (node === undefined) return null;
    node.state = "building";
    this.#building += 1;
    return node.drvPath;
  }

  built(drvPath: string): void {
    const node = this.#endOf(drvPath, "built");
    this.#built += 1;
    for (const dependent of node.dependents) {
      dependent.waitsFor -= 1;
      if (dependent.state === "waiting" && dependent.waitsFor === 0) this.#makeReady(dependent);
    }
  }

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
    this.#ready.push(node);
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
