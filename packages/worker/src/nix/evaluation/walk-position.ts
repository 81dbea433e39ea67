import type { AttributePath } from "@gradient/protocol";

/** What one process has to walk: a stretch of the order in which the walker goes. */
export interface Stretch {
  /** Where it begins; null for the first attribute. */
  start: AttributePath | null;
  /** `start` itself, and all below it, have been walked before. */
  isStartDone: boolean;
  /** The last that belongs to it, with all below; null for no end. */
  until: AttributePath | null;
}

/** The names of one set that a walker is in. */
interface Level {
  path: AttributePath;
  names: readonly string[];
  index: number;
}

/** Follows a walker through the sets that it names, to know what is left for it, and what another process could take. */
export class WalkPosition {
  /** From the root down to where the walker is; sets with one name are left out. */
  #levels: Level[] = [];
  #current: AttributePath | null = null;

  get current(): AttributePath | null {
    return this.#current;
  }

  list(path: AttributePath, names: readonly string[]): void {
    this.#levels = this.#levels.filter((level) => level.path.length < path.length);
    this.#levels.push({ path, names, index: -1 });
  }

  enter(path: AttributePath): void {
    this.#current = path;
    this.#levels = this.#levels.filter((level) => level.path.length < path.length);
    for (const level of this.#levels) {
      const name = path[level.path.length] ?? "";
      while (level.index < level.names.length && level.names[level.index] !== name) level.index++;
    }
  }

  /** How many names are left in the set that has most of them. */
  remaining(until: AttributePath | null): number {
    return this.#longest(until)?.left ?? 0;
  }

  /**
   * The last path that the walker keeps when the later half of what is left is taken from it, or less by the names that it will walk
   * `ahead` of the other; null when nothing is left.
   */
  split(until: AttributePath | null, ahead = 0): AttributePath | null {
    const longest = this.#longest(until);
    if (longest === null) return null;
    const { level, left } = longest;
    const kept = Math.floor(Math.min(left / 2 + ahead / 2, (3 * left) / 4));
    const name = level.names[level.index + kept];
    return name === undefined ? null : [...level.path, name];
  }

  #longest(until: AttributePath | null): { level: Level; left: number } | null {
    let longest: { level: Level; left: number } | null = null;
    for (const level of this.#levels) {
      const left = namesLeft(level, until);
      if (left > (longest?.left ?? 0)) longest = { level, left };
    }
    return longest;
  }
}

/** Whether the walker comes to `path` only when it is past `until` and all below that. */
export function isBeyond(path: AttributePath, until: AttributePath): boolean {
  for (const [index, bound] of until.entries()) {
    const name = path[index];
    if (name === undefined) return false;
    const order = compareNames(name, bound);
    if (order !== 0) return order > 0;
  }
  return false;
}

function namesLeft(level: Level, until: AttributePath | null): number {
  // Not entered yet: nobody knows where in it the walker begins.
  if (level.index < 0) return 0;
  const all = Math.max(0, level.names.length - level.index - 1);
  if (until === null || !level.path.every((name, index) => until[index] === name)) return all;
  const bound = until[level.path.length];
  if (bound === undefined) return all;
  const end = level.names.findLastIndex((name) => compareNames(name, bound) <= 0);
  return Math.max(0, end - level.index);
}

/** Nix orders names by their bytes. */
function compareNames(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
