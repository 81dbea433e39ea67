/** Names of a path without `.` and `..`; null for one that leads above its beginning. */
export function namesOf(path: string): string[] | null {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined) return null;
  }
  return names;
}

/** A symbolic link inside of a store path. */
export interface Link {
  /** Names that lead to it. */
  readonly depth: number;
  readonly target: string;
}

/** Where `names` lead that begin with the link's own; null when that is outside of the store path with this base name. */
export function namesBehind(
  base: string,
  names: readonly string[],
  { depth, target }: Link,
): string[] | null {
  const rest = names.slice(depth);
  if (!target.startsWith("/")) {
    const folder = names.slice(0, Math.max(0, depth - 1));
    return namesOf([...folder, target, ...rest].join("/"));
  }
  const own = `/nix/store/${base}`;
  if (target !== own && !target.startsWith(`${own}/`)) return null;
  return namesOf([target.slice(own.length), ...rest].join("/"));
}
