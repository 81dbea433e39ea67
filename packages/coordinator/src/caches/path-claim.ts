import {
  encodeNix32,
  formatContentAddress,
  HashError,
  parseContentAddress,
  parseDrvPath,
  parseHash,
  parseStorePath,
  ProtocolError,
  storePathFromBase,
  type NarInfo,
  type StorePath,
} from "@gradient/protocol";
import { BadRequestError } from "../errors.ts";

/** What somebody says of a path whose NAR they give to a cache. Hashes are 52 characters of Nix base 32. */
export interface PathClaim {
  readonly path: StorePath;
  readonly narHash: string;
  readonly narSize: number;
  readonly fileHash: string | null;
  readonly fileSize: number | null;
  readonly references: readonly StorePath[];
  readonly deriver: StorePath | null;
  readonly ca: string | null;
  readonly signatures: readonly string[];
}

/** The body of an upload through the API. Store paths may come with or without the store's directory. */
export interface PathClaimFields {
  store_path: string;
  file_hash: string;
  file_size: number;
  nar_hash: string;
  nar_size: number;
  references: readonly string[];
  deriver?: string | null | undefined;
  ca?: string | null | undefined;
  signatures?: readonly string[] | undefined;
}

/** Throws BadRequestError that names the field at fault. */
export function claimOfFields(fields: PathClaimFields): PathClaim {
  const deriver = fields.deriver ?? null;
  const ca = fields.ca ?? null;
  return {
    path: inField("store_path", () => toStorePath(fields.store_path)),
    narHash: inField("nar_hash", () => sha256Of(fields.nar_hash)),
    narSize: fields.nar_size,
    fileHash: inField("file_hash", () => sha256Of(fields.file_hash)),
    fileSize: fields.file_size,
    references: inField("references", () => fields.references.map(toStorePath)),
    deriver: deriver === null ? null : inField("deriver", () => toDeriver(deriver)),
    ca: ca === null ? null : inField("ca", () => formatContentAddress(parseContentAddress(ca))),
    signatures: fields.signatures ?? [],
  };
}

/** Throws BadRequestError for a file hash that is none of sha256, or a deriver that is no derivation. */
export function claimOfNarInfo(info: NarInfo): PathClaim {
  const { path, narSize, fileSize, references, ca, signatures, deriver } = info;
  return {
    path,
    narHash: info.narHash.slice("sha256:".length),
    narSize,
    fileHash:
      info.fileHash === null ? null : inField("FileHash", () => sha256Of(info.fileHash ?? "")),
    fileSize,
    references,
    deriver: deriver === null ? null : inField("Deriver", () => toDeriver(deriver)),
    ca,
    signatures,
  };
}

function toStorePath(text: string): StorePath {
  return text.startsWith("/") ? parseStorePath(text) : storePathFromBase(text);
}

function toDeriver(text: string): StorePath {
  return parseDrvPath(toStorePath(text));
}

/** In any of Nix's spellings. */
function sha256Of(text: string): string {
  const { algorithm, digest } = parseHash(text);
  if (algorithm !== "sha256") throw new HashError(`'${text}' is not a sha256 hash`);
  return encodeNix32(digest);
}

function inField<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new BadRequestError(`${name}: ${cause.message}`, { code: "bad_narinfo", cause });
  }
}
