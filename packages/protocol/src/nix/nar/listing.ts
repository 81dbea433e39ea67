import type { NarFile, NarVisitor } from "./reader.ts";

/** Contents of a NAR as binary caches publish them in `<hash>.ls`. */
export interface NarListing {
  readonly version: 1;
  readonly root: NarListingNode;
}

export type NarListingNode =
  | {
      readonly type: "regular";
      readonly size: number;
      /** Only there when the file is executable. */
      readonly executable?: true;
      /** Where the contents begin in the NAR. */
      readonly narOffset: number;
    }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly entries: Readonly<Record<string, NarListingNode>> };

type Entry = [name: string, node: NarListingNode];

/** Visitor that builds the listing. Names that are not UTF-8 get replacement characters: JSON has no other way. */
export class NarListingBuilder implements NarVisitor {
  #root: NarListingNode | null = null;
  readonly #open: { name: string; entries: Entry[] }[] = [];

  directoryStart(name: Buffer): void {
    this.#open.push({ name: name.toString(), entries: [] });
  }

  directoryEnd(): void {
    const closed = this.#open.pop();
    if (closed === undefined) throw new Error("a directory ends that did not start");
    // fromEntries defines keys such as `__proto__`, where an assignment would not.
    this.#add(closed.name, { type: "directory", entries: Object.fromEntries(closed.entries) });
  }

  fileStart(name: Buffer, { size, isExecutable, offset }: NarFile): void {
    const executable = isExecutable ? { executable: true as const } : {};
    this.#add(name.toString(), { type: "regular", size, ...executable, narOffset: offset });
  }

  symlink(name: Buffer, target: Buffer): void {
    this.#add(name.toString(), { type: "symlink", target: target.toString() });
  }

  /** Call it after the reader's `end`. */
  listing(): NarListing {
    if (this.#root === null) throw new Error("the listing of a NAR was asked for before its end");
    return { version: 1, root: this.#root };
  }

  #add(name: string, node: NarListingNode): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.entries.push([name, node]);
  }
}
