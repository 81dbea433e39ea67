import type { AttributePath } from "@gradient/protocol";
import { WalkPosition, isFrom } from "./walk-position.ts";

/** Another process evaluates the root again: it has to save more than that. */
const MIN_SHARED_MS = 80;
const MIN_SHARED_STARTS = 1.25;

/** What one process has to walk. */
export interface Stretch {
  /** Where it begins; null for the first attribute, or for the last when it is walked backward. */
  start: AttributePath | null;
  /** `start` itself, and all below it, have been walked before. */
  isStartDone: boolean;
  /** The first path that belongs to another one; null for no end. */
  end: AttributePath | null;
  /**
   * The names of one set are walked from the last to the first, each with all below it in the usual order. `depth` is the length of the
   * set's path; null for the first set with more than one name.
   */
  backward: { depth: number | null } | null;
}

/** One process's part of the walk, and how far it is. */
export class Part {
  stretch: Stretch;
  position = new WalkPosition();
  /** Of a part that is walked backward: the one that it comes towards; null once that is complete. */
  ahead: Part | null;
  /** Attributes that the process has entered, and when it entered the first. */
  entered = 0;
  enteredAt: number | null = null;
  /** The attribute that it entered last has been told of. */
  isAnswered = false;
  isComplete = false;
  /** Of the set whose names its process walks from the last to the first. */
  #depth: number | null;
  /** What it has taken last from the part that is ahead. */
  #claim: AttributePath | null = null;

  constructor(stretch: Stretch, ahead: Part | null = null) {
    this.stretch = stretch;
    this.ahead = ahead;
    this.#depth = stretch.backward?.depth ?? null;
  }

  /** It comes towards another part, and has taken nothing from it. */
  get isExpendable(): boolean {
    return this.ahead !== null && this.#claim === null;
  }

  /** Another process begins with what is left of it. */
  renew(): void {
    this.position = new WalkPosition();
    this.#depth = this.stretch.backward?.depth ?? null;
    this.entered = 0;
    this.enteredAt = null;
    this.isAnswered = false;
    this.isComplete = false;
  }

  /** Where its process would have to begin that went on here. */
  goOnAt(start: AttributePath, isStartDone: boolean): void {
    this.stretch = { ...this.stretch, start, isStartDone };
  }

  /** False when it belongs to another one. What is entered from behind is taken from the part that is ahead. */
  mayEnter(path: AttributePath): boolean {
    if (this.isComplete) return false;
    const { backward, end } = this.stretch;
    if (backward !== null && backward.depth === null) {
      backward.depth = path.length - 1;
      this.#depth = backward.depth;
    }
    if (path.length - 1 !== this.#depth) return end === null || !isFrom(path, end);
    // A process that follows another one comes here again.
    if (isSame(this.#claim, path)) return true;
    const { ahead } = this;
    if (ahead === null || ahead.#hasReached(path)) return false;
    this.stretch.end = ahead.stretch.end;
    ahead.stretch.end = path;
    this.#claim = path;
    return true;
  }

  enter(path: AttributePath): void {
    this.enteredAt ??= performance.now();
    this.entered += 1;
    this.isAnswered = false;
    this.position.enter(path);
  }

  perAttributeMs(): number {
    return this.enteredAt === null ? 0 : (performance.now() - this.enteredAt) / this.entered;
  }

  /** How long it will still take, if its attributes go on as they did; 0 while another one decides what is left of it. */
  leftMs(): number {
    if (this.enteredAt === null || this.ahead !== null) return 0;
    return this.perAttributeMs() * this.position.remaining(this.stretch.end);
  }

  /** Nobody is ahead any more: what is left is what lies below where it is. */
  turn(): void {
    this.ahead = null;
    this.stretch = { ...this.stretch, backward: null };
  }

  #hasReached(path: AttributePath): boolean {
    const at = this.position.current ?? this.stretch.start;
    return at !== null && isFrom(at, path);
  }
}

/** A part for a process that has nothing to do, of what the slowest has left; null when it would save nothing. `startMs` is what its start takes. */
export function partFor(parts: Iterable<Part>, startMs: number): Part | null {
  const all = [...parts];
  const slowest = all.toSorted((a, b) => b.leftMs() - a.leftMs())[0];
  if (slowest === undefined) return null;
  if (slowest.leftMs() < Math.max(MIN_SHARED_MS, MIN_SHARED_STARTS * startMs)) return null;
  const { position, stretch } = slowest;
  const { end } = stretch;
  const behind = behindOf(slowest, all);
  const last = behind === undefined ? position.last(end) : null;
  if (last !== null) {
    const backward = { depth: last.length - 1 };
    return new Part({ start: last, isStartDone: false, end, backward }, slowest);
  }
  const start = position.split(end, startMs / slowest.perAttributeMs());
  if (start === null) return null;
  stretch.end = start;
  const part = new Part({ start, isStartDone: false, end, backward: null });
  if (behind !== undefined) behind.ahead = part;
  return part;
}

/**
 * A part has been walked to its end. The one that came towards it, when that has taken nothing yet: it is complete with it, and its process
 * does nothing more.
 */
export function complete(part: Part, parts: Iterable<Part>): Part | null {
  part.isComplete = true;
  const behind = behindOf(part, parts);
  if (behind === undefined) return null;
  if (behind.isExpendable) {
    behind.isComplete = true;
    return behind;
  }
  behind.turn();
  return null;
}

function behindOf(part: Part, parts: Iterable<Part>): Part | undefined {
  return [...parts].find(({ ahead }) => ahead === part);
}

function isSame(a: AttributePath | null, b: AttributePath): boolean {
  return a !== null && a.length === b.length && a.every((name, index) => name === b[index]);
}
