import { CoordinatorError } from "../errors.ts";
import { formatPath, type Declared, type Path, type Problem } from "./declared.ts";

/** Collects what is wrong in a file, so that all of it is told at once. */
export class Findings {
  readonly problems: Problem[] = [];

  add(path: Path, message: string): void {
    this.problems.push({ path: formatPath(path), message });
  }

  /** Holds a value against a rule of the API; its text is the finding. */
  rule(path: Path, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof CoordinatorError)) throw error;
      this.add(path, error.message);
    }
  }

  /** Whoever is named has to stand in the file, so that it can be understood by itself. */
  known(path: Path, kind: keyof Declared, names: ReadonlySet<string>, name: string): void {
    if (names.has(name)) return;
    this.add(
      path,
      `${JSON.stringify(name)} is not in this file: declare it under ${kind}, or remove it here`,
    );
  }

  /** Keys that belong to one entry each; `what` begins the finding at each later one. */
  unique(entries: readonly { readonly path: Path; readonly key: string }[], what: string): void {
    const first = new Map<string, Path>();
    for (const { path, key } of entries) {
      const other = first.get(key);
      if (other === undefined) first.set(key, path);
      else
        this.add(path, `${what} is the same as that of ${formatPath(other)}: change one of them`);
    }
  }

  /** Pinned ids of one kind: the same one twice would make one thing of two. */
  uniqueIds(entries: readonly { readonly path: Path; readonly id?: string | undefined }[]): void {
    this.unique(
      entries.flatMap(({ path, id }) =>
        id === undefined ? [] : [{ path: [...path, "id"], key: id.toLowerCase() }],
      ),
      "the id",
    );
  }

  /** At most one of these may be given. */
  onlyOne(path: Path, entry: Readonly<Record<string, unknown>>, names: readonly string[]): void {
    const given = names.filter((name) => entry[name] !== undefined);
    if (given.length > 1) this.add(path, `give one of ${given.join(" and ")}, not both`);
  }

  /** Exactly one of these has to be given. */
  exactlyOne(path: Path, entry: Readonly<Record<string, unknown>>, names: readonly string[]): void {
    this.onlyOne(path, entry, names);
    if (names.every((name) => entry[name] === undefined)) {
      this.add(path, `${names.join(" or ")} is missing: give one of them`);
    }
  }
}
