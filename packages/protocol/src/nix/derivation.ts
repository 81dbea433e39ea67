import { ProtocolError } from "../errors.ts";
import { hashBytes } from "./hash.ts";
import { parseDrvPath, parseStorePath, sortedPaths, textStorePath } from "./store-path.ts";
import type { DrvPath, StorePath } from "./store-path.ts";

/** A file that is no derivation, or one that Nix would refuse; the message names the place. */
export class DerivationError extends ProtocolError {
  override name = "DerivationError";

  constructor(message: string, options?: ErrorOptions) {
    super("bad-derivation", message, options);
  }
}

export interface DerivationOutput {
  /** null when the path is known only after the build. */
  readonly path: StorePath | null;
  /** `sha256`, `r:sha256`, ... of a fixed or content-addressed output; empty for an input-addressed one. */
  readonly hashAlgo: string;
  /** Hexadecimal digest of a fixed output, otherwise empty. */
  readonly hash: string;
}

/**
 * What a `.drv` file says. The file is bytes, not text: every string in here that is no store path has one character (U+0000 to U+00FF)
 * for each byte, so that nothing is lost and hashes come out right. `decodeText` turns one into text for people.
 */
export interface Derivation {
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  /** Output names that are used of each input derivation, sorted. */
  readonly inputDrvs: ReadonlyMap<DrvPath, readonly string[]>;
  readonly inputSrcs: readonly StorePath[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}

/** Text of a derivation's byte string. Bytes that are not UTF-8 become replacement characters. */
export function decodeText(byteString: string): string {
  return Buffer.from(byteString, "latin1").toString();
}

/**
 * Reads a `.drv` file. Only what Nix writes is accepted (its order, its escapes, nothing twice), so that
 * `formatDerivation` gives back the same bytes. Throws DerivationError that names the byte at fault.
 */
export function parseDerivation(bytes: Uint8Array): Derivation {
  const cursor = new Cursor(Buffer.from(bytes).toString("latin1"));
  if (cursor.startsWith("DrvWithVersion(")) cursor.fail("dynamic derivations are not supported");
  cursor.take("Derive(");
  const outputs = new Map(cursor.sortedList(() => parseOutput(cursor)));
  cursor.take(",");
  const inputDrvs = new Map(cursor.sortedList(() => parseInputDrv(cursor)));
  cursor.take(",");
  const inputSrcs = cursor
    .sortedList(() => pair(cursor.path(parseStorePath)))
    .map(([path]) => path);
  cursor.take(",");
  const system = cursor.string();
  cursor.take(",");
  const builder = cursor.string();
  cursor.take(",");
  const args = cursor.list(() => cursor.string());
  cursor.take(",");
  const env = new Map(cursor.sortedList(() => parseVariable(cursor)));
  cursor.take(")");
  cursor.end();
  return { outputs, inputDrvs, inputSrcs, system, builder, args, env };
}

/** The bytes of the `.drv` file. */
export function formatDerivation(derivation: Derivation): Buffer {
  return Buffer.from(formatAterm(derivation, derivation.inputDrvs), "latin1");
}

/**
 * The same text with other names for the input derivations, as hashing needs it.
 * `Derive([outputs],[inputDrvs],[inputSrcs],"system","builder",[args],[env])`
 */
export function formatAterm(
  derivation: Derivation,
  inputs: Iterable<readonly [name: string, outputs: Iterable<string>]>,
): string {
  const { outputs, inputSrcs, system, builder, args, env } = derivation;
  const sections = [
    list(sortedEntries(outputs), ([name, { path, hashAlgo, hash }]) =>
      tuple([name, path ?? "", hashAlgo, hash].map(quote)),
    ),
    list(sortedEntries(inputs), ([name, names]) =>
      tuple([quote(name), list([...names].sort(), quote)]),
    ),
    list(sortedPaths(inputSrcs), quote),
    quote(system),
    quote(builder),
    list(args, quote),
    list(sortedEntries(env), ([name, value]) => tuple([quote(name), quote(value)])),
  ];
  return `Derive${tuple(sections)}`;
}

/** Store path of the `.drv` file itself; `name` ends in `.drv`. It follows from the bytes and from the inputs they name. */
export function derivationStorePath(
  name: string,
  derivation: Derivation,
  bytes: Uint8Array,
): DrvPath {
  const references = [...derivation.inputSrcs, ...derivation.inputDrvs.keys()];
  return parseDrvPath(textStorePath(name, hashBytes("sha256", bytes), references));
}

function sortedEntries<T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

function list<T>(items: Iterable<T>, format: (item: T) => string): string {
  return `[${Array.from(items, (item) => format(item)).join(",")}]`;
}

function tuple(items: readonly string[]): string {
  return `(${items.join(",")})`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};
const UNESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  n: "\n",
  r: "\r",
  t: "\t",
};

function quote(text: string): string {
  return `"${text.replace(/["\\\n\r\t]/g, (character) => ESCAPES[character] ?? character)}"`;
}

function parseOutput(cursor: Cursor): [string, DerivationOutput] {
  cursor.take("(");
  const name = cursor.string();
  if (!/^[0-9a-zA-Z+\-._?=]+$/.test(name)) cursor.fail(`output name '${name}' is not allowed`);
  cursor.take(",");
  const path = cursor.pathOrNone();
  cursor.take(",");
  const hashAlgo = cursor.string();
  cursor.take(",");
  const hash = cursor.string();
  cursor.take(")");
  return [name, { path, hashAlgo, hash }];
}

function parseInputDrv(cursor: Cursor): [DrvPath, string[]] {
  cursor.take("(");
  const path = cursor.path(parseDrvPath);
  cursor.take(",");
  const names = cursor.sortedList(() => pair(cursor.string())).map(([name]) => name);
  cursor.take(")");
  return [path, names];
}

function parseVariable(cursor: Cursor): [string, string] {
  cursor.take("(");
  const name = cursor.string();
  cursor.take(",");
  const value = cursor.string();
  cursor.take(")");
  return [name, value];
}

function pair<T extends string>(text: T): [T, null] {
  return [text, null];
}

/** A position in the text of a derivation. Each method takes what it is named for or throws. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fail(fault: string, at: number = this.#at, options?: ErrorOptions): never {
    throw new DerivationError(`derivation is damaged at byte ${at}: ${fault}`, options);
  }

  startsWith(token: string): boolean {
    return this.#text.startsWith(token, this.#at);
  }

  take(token: string): void {
    if (!this.startsWith(token)) this.fail(`'${token}' was expected`);
    this.#at += token.length;
  }

  end(): void {
    if (this.#at !== this.#text.length) this.fail("data follows its end");
  }

  string(): string {
    const start = this.#at;
    this.take('"');
    const parts: string[] = [];
    for (;;) {
      const plain = /[^"\\\n\r\t]*/y;
      plain.lastIndex = this.#at;
      parts.push(plain.exec(this.#text)?.[0] ?? "");
      this.#at = plain.lastIndex;
      if (this.#text[this.#at] === '"') break;
      if (this.#text[this.#at] !== "\\") this.fail("a string does not end", start);
      const escaped = UNESCAPES[this.#text[this.#at + 1] ?? ""];
      if (escaped === undefined) this.fail("a string has an unknown escape");
      parts.push(escaped);
      this.#at += 2;
    }
    this.#at += 1;
    return parts.join("");
  }

  path<T extends StorePath>(parse: (text: string) => T): T {
    const start = this.#at;
    const text = this.string();
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.fail(error.message, start, { cause: error });
    }
  }

  pathOrNone(): StorePath | null {
    if (!this.startsWith('""')) return this.path(parseStorePath);
    this.#at += 2;
    return null;
  }

  list<T>(item: () => T): T[] {
    const items: T[] = [];
    this.take("[");
    if (this.#text[this.#at] !== "]") items.push(item());
    while (this.#text[this.#at] === ",") {
      this.#at += 1;
      items.push(item());
    }
    this.take("]");
    return items;
  }

  /** A list whose items begin with strictly rising keys. */
  sortedList<K extends string, V>(item: () => [K, V]): [K, V][] {
    let last: K | null = null;
    return this.list(() => {
      const start = this.#at;
      const next = item();
      if (last !== null && last >= next[0])
        this.fail(`'${next[0]}' does not come after '${last}'`, start);
      last = next[0];
      return next;
    });
  }
}
