import type { OrganizationId, WorkerId } from "@gradient/protocol";
import type { Demand } from "./demand.ts";
import { Heap } from "./heap.ts";

/** A build whose inputs are all there and whose attempt is pending: all that the choice of a worker needs. */
export interface ReadyBuild {
  readonly attempt: number;
  readonly build: number;
  readonly organization: OrganizationId;
  readonly system: string;
  readonly requiredFeatures: readonly string[];
  readonly demand: Demand;
  /** Higher goes first. */
  readonly priority: number;
  /** Longest known chain of builds that wait for this one. */
  readonly height: number;
  /** Milliseconds since the epoch. */
  readonly readyAt: number;
}

/** Priority, then the critical path, then age. */
export function goesBefore(a: ReadyBuild, b: ReadyBuild): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.height !== b.height) return a.height > b.height;
  if (a.readyAt !== b.readyAt) return a.readyAt < b.readyAt;
  return a.attempt < b.attempt;
}

/** What builds of one group ask of a worker. The choice looks at groups, never at all builds. */
export interface ReadyGroup {
  readonly organization: OrganizationId;
  readonly system: string;
  readonly requiredFeatures: readonly string[];
  readonly demand: Demand;
}

/** More declined builds than these are not stepped over in one choice; the rest has its turn when a decline has been forgotten. */
const MAX_STEPPED_OVER = 64;

interface Group extends ReadyGroup {
  readonly heap: Heap<ReadyBuild>;
  /** Builds that are in the heap and not taken or removed. */
  size: number;
}

/** Ready builds in memory. Adding, taking and removing cost the logarithm of the queue's length. */
export class ReadyQueue {
  readonly #groups = new Map<string, Group>();
  /** By attempt number. What is in a heap and not in here has been removed. */
  readonly #builds = new Map<number, ReadyBuild>();
  /** Until when a worker that declined an attempt is not asked again. */
  readonly #declines = new Map<number, Map<WorkerId, number>>();

  get size(): number {
    return this.#builds.size;
  }

  has(attempt: number): boolean {
    return this.#builds.has(attempt);
  }

  find(attempt: number): ReadyBuild | null {
    return this.#builds.get(attempt) ?? null;
  }

  /** Adding an attempt that is already there changes nothing. */
  add(build: ReadyBuild): void {
    if (this.#builds.has(build.attempt)) return;
    this.#builds.set(build.attempt, build);
    const group = this.#groupOf(build);
    group.size += 1;
    group.heap.push(build);
  }

  /** Takes a build out to offer it; what was declined stays known. */
  take(attempt: number): void {
    const build = this.#builds.get(attempt);
    if (build === undefined) return;
    this.#builds.delete(attempt);
    const group = this.#groupOf(build);
    group.size -= 1;
    if (group.size === 0) this.#groups.delete(keyOf(build));
    else if (group.heap.peek() === build) group.heap.pop();
  }

  /** Forgets an attempt for good. */
  remove(attempt: number): void {
    this.take(attempt);
    this.#declines.delete(attempt);
  }

  /** The worker gets no offer of it before that time, milliseconds since the epoch. */
  decline(attempt: number, worker: WorkerId, until: number): void {
    const declines = this.#declines.get(attempt) ?? new Map<WorkerId, number>();
    declines.set(worker, until);
    this.#declines.set(attempt, declines);
  }

  /** Whether the worker has declined it and is not to be asked yet. */
  hasDeclined(attempt: number, worker: WorkerId, now: number): boolean {
    const until = this.#declines.get(attempt)?.get(worker);
    return until !== undefined && until > now;
  }

  /** Groups that have a build. */
  groups(): Iterable<ReadyGroup & { readonly size: number }> {
    return this.#groups.values();
  }

  /** Each group with its first build, in the order of those. */
  heads(): { readonly group: ReadyGroup; readonly head: ReadyBuild }[] {
    const heads: { group: ReadyGroup; head: ReadyBuild }[] = [];
    for (const group of this.#groups.values()) {
      const head = this.#top(group.heap);
      if (head !== undefined) heads.push({ group, head });
    }
    return heads.sort((a, b) => (goesBefore(a.head, b.head) ? -1 : 1));
  }

  /** All builds of the group, in no order. */
  buildsOf(group: ReadyGroup): ReadyBuild[] {
    const key = keyOf(group);
    return [...this.#builds.values()].filter((build) => keyOf(build) === key);
  }

  /** The first build of the group that `isPossible`. */
  first(group: ReadyGroup, isPossible: (build: ReadyBuild) => boolean): ReadyBuild | null {
    const heap = this.#groups.get(keyOf(group))?.heap;
    if (heap === undefined) return null;
    const steppedOver: ReadyBuild[] = [];
    let found: ReadyBuild | null = null;
    for (let top = this.#top(heap); top !== undefined; top = this.#top(heap)) {
      if (isPossible(top)) {
        found = top;
        break;
      }
      if (steppedOver.length === MAX_STEPPED_OVER) break;
      heap.pop();
      steppedOver.push(top);
    }
    for (const build of steppedOver) heap.push(build);
    return found;
  }

  /** Drops what was removed meanwhile. */
  #top(heap: Heap<ReadyBuild>): ReadyBuild | undefined {
    let top = heap.peek();
    while (top !== undefined && this.#builds.get(top.attempt) !== top) {
      heap.pop();
      top = heap.peek();
    }
    return top;
  }

  #groupOf(build: ReadyGroup): Group {
    const key = keyOf(build);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const { organization, system, requiredFeatures, demand } = build;
      const heap = new Heap(goesBefore);
      group = { organization, system, requiredFeatures, demand, heap, size: 0 };
      this.#groups.set(key, group);
    }
    return group;
  }
}

function keyOf({ organization, system, requiredFeatures, demand }: ReadyGroup): string {
  const { estimate, exactMemoryBytes, minMemoryBytes, maxMemoryBytes, minCores, maxCores } = demand;
  const amounts = [
    exactMemoryBytes,
    minMemoryBytes,
    maxMemoryBytes,
    minCores,
    maxCores,
    estimate.memoryBytes,
    estimate.cores,
  ];
  return `${organization} ${system} ${amounts.join()} ${requiredFeatures.join(" ")}`;
}
