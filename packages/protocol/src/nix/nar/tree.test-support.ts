import type { NarFile, NarVisitor } from "./reader.ts";

/** A NAR as a value. Names and targets have one character for each byte. */
export type Tree =
  | { type: "file"; contents: string; isExecutable: boolean }
  | { type: "symlink"; target: string }
  | { type: "directory"; entries: [name: string, node: Tree][] };

function word(text: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([length, bytes, Buffer.alloc((8 - (text.length % 8)) % 8)]);
}

export function words(...texts: string[]): Buffer {
  return Buffer.concat(texts.map(word));
}

/** The NAR of a tree, written by the book: recursive and without any cleverness. */
export function encodeTree(tree: Tree): Buffer {
  return Buffer.concat([words("nix-archive-1"), encodeNode(tree)]);
}

function encodeNode(tree: Tree): Buffer {
  switch (tree.type) {
    case "file": {
      const executable = tree.isExecutable ? ["executable", ""] : [];
      return words("(", "type", "regular", ...executable, "contents", tree.contents, ")");
    }
    case "symlink":
      return words("(", "type", "symlink", "target", tree.target, ")");
    case "directory": {
      const entries = tree.entries.flatMap(([name, node]) => [
        words("entry", "(", "name", name, "node"),
        encodeNode(node),
        words(")"),
      ]);
      return Buffer.concat([words("(", "type", "directory"), ...entries, words(")")]);
    }
  }
}

/** Visitor that gives the tree back. */
export class TreeBuilder implements NarVisitor {
  root: Tree | null = null;
  readonly offsets: number[] = [];
  readonly #open: { name: string; entries: [string, Tree][] }[] = [];
  #file: { name: string; isExecutable: boolean; chunks: Buffer[] } | null = null;

  directoryStart(name: Buffer): void {
    this.#open.push({ name: name.toString("latin1"), entries: [] });
  }

  directoryEnd(): void {
    const { name = "", entries = [] } = this.#open.pop() ?? {};
    this.#add(name, { type: "directory", entries });
  }

  fileStart(name: Buffer, { isExecutable, offset }: NarFile): void {
    this.#file = { name: name.toString("latin1"), isExecutable, chunks: [] };
    this.offsets.push(offset);
  }

  fileChunk(chunk: Uint8Array): void {
    this.#file?.chunks.push(Buffer.from(chunk));
  }

  fileEnd(): void {
    const { name = "", isExecutable = false, chunks = [] } = this.#file ?? {};
    const contents = Buffer.concat(chunks).toString("latin1");
    this.#add(name, { type: "file", contents, isExecutable });
  }

  symlink(name: Buffer, target: Buffer): void {
    this.#add(name.toString("latin1"), { type: "symlink", target: target.toString("latin1") });
  }

  #add(name: string, node: Tree): void {
    const parent = this.#open.at(-1);
    if (parent) parent.entries.push([name, node]);
    else this.root = node;
  }
}
