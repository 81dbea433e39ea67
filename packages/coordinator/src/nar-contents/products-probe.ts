import type { NarFile, NarVisitor } from "@gradient/protocol";
import {
  BUILD_PRODUCTS_PATH,
  parseBuildProducts,
  type NamedProduct,
  type ProductLine,
} from "./build-products.ts";
import { namesBehind } from "./names.ts";

/** A longer file is no list that somebody wrote. */
const MAX_TEXT_BYTES = 256 * 1024;
/** So many entries of a NAR are remembered: of what comes later kind and size stay unknown. */
const MAX_ENTRIES = 5000;
const MAX_LINKS = 16;

type Entry = { kind: "file"; size: number } | { kind: "directory" } | { kind: "link"; to: string };

/** Finds build products in a NAR on its way in, so that it is never read a second time for them. */
export class ProductsProbe implements NarVisitor {
  readonly #open: string[] = [];
  readonly #entries = new Map<string, Entry>();
  #text: Buffer[] | null = null;
  #isInside = false;

  directoryStart(name: Buffer): void {
    this.#note(name, { kind: "directory" });
    this.#open.push(name.toString());
  }

  directoryEnd(): void {
    this.#open.pop();
  }

  fileStart(name: Buffer, { size }: NarFile): void {
    const path = this.#note(name, { kind: "file", size });
    this.#isInside = path === BUILD_PRODUCTS_PATH && size <= MAX_TEXT_BYTES;
    if (this.#isInside) this.#text = [];
  }

  fileChunk(chunk: Uint8Array): void {
    if (this.#isInside) this.#text?.push(Buffer.from(chunk));
  }

  fileEnd(): void {
    this.#isInside = false;
  }

  symlink(name: Buffer, target: Buffer): void {
    this.#note(name, { kind: "link", to: target.toString() });
  }

  /** Call it after the NAR's end. Empty when it names none. */
  products(): NamedProduct[] {
    if (this.#text === null) return [];
    const lines = parseBuildProducts(Buffer.concat(this.#text).toString());
    return lines.map((line) => ({ ...line, ...this.#look(line) }));
  }

  #note(name: Buffer, entry: Entry): string {
    // The root, which is open first, has no name.
    const path = [...this.#open.slice(1), name.toString()].join("/");
    if (this.#entries.size < MAX_ENTRIES) this.#entries.set(path, entry);
    return path;
  }

  #look({ base, names }: ProductLine): Pick<NamedProduct, "kind" | "size"> {
    let at = names;
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = this.#entries.get(at.join("/"));
      if (entry?.kind === "file") return entry;
      if (entry?.kind === "directory") return { kind: "directory", size: null };
      const link = entry === undefined ? null : { depth: at.length, target: entry.to };
      const next = link === null ? null : namesBehind(base, at, link);
      if (next === null) break;
      at = next;
    }
    return { kind: null, size: null };
  }
}
