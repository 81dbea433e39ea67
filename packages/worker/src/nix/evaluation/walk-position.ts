import type { AttributePath } from "@gradient/protocol";

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

  /** How many names before `end` are left in the set that has most of them. */
  remaining(end: AttributePath | null): number {
    return this.#longest(end)?.left ?? 0;
  }

  /** The last name before `end`, from which another one could come towards the walker; null when most are left in a set within it. */
  last(end: AttributePath | null): AttributePath | null {
    const longest = this.#longest(end)?.level;
    const outermost = this.#levels.find((level) => namesLeft(level, end) > 0);
    if (outermost === undefined || outermost !== longest) return null;
    const name = outermost.names[endIndex(outermost, end) - 1];
    return name === undefined ? null : [...outermost.path, name];
  }

  /**
   * The first path that the walker loses when the later half of what is left before `end` is taken from it, or less by the names that it
   * will walk `ahead` of the other; null when nothing is left.
   */
  split(end: AttributePath | null, ahead = 0): AttributePath | null {
    const longest = this.#longest(end);
    if (longest === null) return null;
    const { level, left } = longest;
    const kept = Math.floor(Math.min(left / 2 + ahead / 2, (3 * left) / 4));
    const name = level.names[level.index + kept + 1];
    return name === undefined ? null : [...level.path, name];
  }

  #longest(end: AttributePath | null): { level: Level; left: number } | null {
    let longest: { level: Level; left: number } | null = null;
    for (const level of this.#levels) {
      const left = namesLeft(level, end);
      if (left > (longest?.left ?? 0)) longest = { level, left };
    }
    return longest;
  }
}

/** Whether `path` is `from`, lies below it, or comes later in the walker's usual order. */
export function isFrom(path: AttributePath, from: AttributePath): boolean {
  for (const [index, bound] of from.entries()) {
    const name = path[index];
    if (name === undefined) return false;
    const order = compareNames(name, bound);
    if (order !== 0) return order > 0;
  }
  return true;
}

function namesLeft(level: Level, end: AttributePath | null): number {
  // Not entered yet: nobody knows where in it the walker begins.
  if (level.index < 0) return 0;
  return Math.max(0, endIndex(level, end) - level.index - 1);
}

/** Of the first name of a set of which nothing lies before `end`. */
function endIndex({ path, names }: Level, end: AttributePath | null): number {
  if (end === null || !path.every((name, index) => end[index] === name)) return names.length;
  const [bound, ...below] = end.slice(path.length);
  if (bound === undefined) return 0;
  const index = names.indexOf(bound);
  return below.length > 0 ? index + 1 : index;
}

/** Nix orders names by their bytes. */
function compareNames(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
