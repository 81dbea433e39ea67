import { ProtocolError } from "../errors.ts";
import { formatContentAddress, parseContentAddress } from "./content-address.ts";
import { formatNix32Hash, parseHash, parseNarHash, type NarHash } from "./hash.ts";
import { parseStorePath, storePathBase, storePathFromBase, type StorePath } from "./store-path.ts";

/** A text that is no narinfo; the message names the line or field. */
export class NarInfoError extends ProtocolError {
  override name = "NarInfoError";

  constructor(message: string, options?: ErrorOptions) {
    super("bad-narinfo", message, options);
  }
}

/** What a binary cache says of one store path (`<hash>.narinfo`). */
export interface NarInfo {
  readonly path: StorePath;
  /** Of the file with the NAR, relative to the cache's root, or absolute. */
  readonly url: string;
  /** `none`, `xz`, `zstd`, `bzip2`, `gzip`, `br`, ... */
  readonly compression: string;
  /** Hash of the compressed file, `<algorithm>:<Nix base 32>`; null when the cache does not say. */
  readonly fileHash: string | null;
  /** Bytes of the compressed file; null when the cache does not say. */
  readonly fileSize: number | null;
  readonly narHash: NarHash;
  /** Bytes. */
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly deriver: StorePath | null;
  /** `<key name>:<base 64>` each, not verified. */
  readonly signatures: readonly string[];
  /** Canonical content address, or null for an input-addressed path. */
  readonly ca: string | null;
}

/** Fields that may come once; all others but Sig are ignored, as Nix does. */
const SINGLE_FIELDS: ReadonlySet<string> = new Set([
  "StorePath",
  "URL",
  "Compression",
  "FileHash",
  "FileSize",
  "NarHash",
  "NarSize",
  "References",
  "Deriver",
  "CA",
]);

/** Throws NarInfoError that names the field or line at fault. */
export function parseNarInfo(text: string): NarInfo {
  const { fields, signatures } = splitFields(text);
  const required = (name: string): string => {
    const value = fields.get(name);
    if (!value) throw new NarInfoError(`narinfo has no ${name}`);
    return value;
  };
  const optional = <T>(name: string, parse: (value: string) => T): T | null => {
    const value = fields.get(name);
    return value === undefined ? null : inField(name, () => parse(value));
  };
  const narSize = inField("NarSize", () => parseSize(required("NarSize")));
  if (narSize === 0) throw new NarInfoError("NarSize of a narinfo is 0: no NAR is empty");
  return {
    path: inField("StorePath", () => parseStorePath(required("StorePath"))),
    url: inField("URL", () => checkWord(required("URL"))),
    // Nix's own default (libstore/nar-info.cc)
    compression: optional("Compression", checkWord) ?? "bzip2",
    fileHash: optional("FileHash", (value) => formatNix32Hash(parseHash(value))),
    fileSize: optional("FileSize", parseSize),
    narHash: inField("NarHash", () => parseNarHash(required("NarHash"))),
    narSize,
    references: optional("References", parseReferences) ?? [],
    deriver: optional("Deriver", parseDeriver),
    signatures,
    ca: optional("CA", (value) => formatContentAddress(parseContentAddress(value))),
  };
}

/**
 * The text of a narinfo file. Fields without a value are left out, References too when there are none.
 * Throws NarInfoError for a URL, compression or signature that would break the line format.
 */
export function formatNarInfo(info: NarInfo): string {
  const lines: [name: string, value: string | number | null][] = [
    ["StorePath", info.path],
    ["URL", inField("URL", () => checkWord(info.url))],
    ["Compression", inField("Compression", () => checkWord(info.compression))],
    ["FileHash", info.fileHash],
    ["FileSize", info.fileSize],
    ["NarHash", info.narHash],
    ["NarSize", info.narSize],
    ["References", info.references.map(storePathBase).join(" ") || null],
    ["Deriver", info.deriver && storePathBase(info.deriver)],
  ];
  for (const signature of info.signatures) {
    lines.push(["Sig", inField("Sig", () => checkSignature(signature))]);
  }
  lines.push(["CA", info.ca]);
  return lines
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

function splitFields(text: string): { fields: Map<string, string>; signatures: string[] } {
  if (!text.endsWith("\n"))
    throw new NarInfoError("narinfo does not end with a line break: it was cut off");
  const fields = new Map<string, string>();
  const signatures: string[] = [];
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    const at = line.indexOf(": ");
    if (at <= 0) throw new NarInfoError(`line ${index + 1} of a narinfo is not 'Name: value'`);
    const name = line.slice(0, at);
    const value = line.slice(at + 2);
    if (name === "Sig") signatures.push(inField(name, () => checkSignature(value)));
    if (!SINGLE_FIELDS.has(name)) continue;
    if (fields.has(name)) throw new NarInfoError(`${name} stands twice in a narinfo`);
    fields.set(name, value);
  }
  return { fields, signatures };
}

function inField<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof NarInfoError) throw error;
    throw new NarInfoError(`${name} of a narinfo: ${error.message}`, { cause: error });
  }
}

function parseSize(text: string): number {
  const size = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(size)) {
    throw new NarInfoError(`'${text}' in a narinfo is not a number of bytes`);
  }
  return size;
}

function parseReferences(text: string): StorePath[] {
  return text.split(" ").filter(Boolean).map(storePathFromBase);
}

function parseDeriver(text: string): StorePath | null {
  // Old caches write this word where they know none.
  return text === "unknown-deriver" ? null : storePathFromBase(text);
}

/** One non-empty word of printable ASCII: it can end neither the field nor the line. */
function checkWord(text: string): string {
  if (!/^[!-~]+$/.test(text)) {
    throw new NarInfoError(
      `${JSON.stringify(text)} cannot stand in a narinfo: one word of printable characters is needed`,
    );
  }
  return text;
}

function checkSignature(text: string): string {
  if (!/^[^\s:]+:[A-Za-z0-9+/]+=*$/.test(text)) {
    throw new NarInfoError(
      `signature ${JSON.stringify(text)} of a narinfo is not '<key name>:<base 64>'`,
    );
  }
  return text;
}
