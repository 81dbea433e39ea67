import { closeSync, openSync, readSync } from "node:fs";

/** The index of the log, as its format says (https://sqlite.org/walformat.html, 2.1): 32-bit numbers of this machine. */
const WRITTEN_AT = 16 / 4;
const COPIED_AT = 96 / 4;
const HEADER_BYTES = 136;

/** Pages in the log. */
export interface LogPages {
  /** In all. */
  readonly written: number;
  /** Those of them that the database has, too. */
  readonly copied: number;
}

/** Looks at how long the log of a database is, without asking SQLite. To be closed after all connections: closing it takes their locks away. */
export class WriteAheadLog implements Disposable {
  readonly #descriptor: number;
  readonly #header = new Uint32Array(HEADER_BYTES / 4);

  /** `file`: a database that is open. */
  constructor(file: string) {
    this.#descriptor = openSync(`${file}-shm`, "r");
  }

  pages(): LogPages {
    readSync(this.#descriptor, this.#header, 0, HEADER_BYTES, 0);
    return { written: this.#header[WRITTEN_AT] ?? 0, copied: this.#header[COPIED_AT] ?? 0 };
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
