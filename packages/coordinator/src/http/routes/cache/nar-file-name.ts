import type { Compression } from "../../../intake/compression.ts";

/** A NAR file's name, as uploaders make it and narinfos name it below `nar/`. */
export interface NarFileName {
  /** 52 characters of Nix base 32. */
  readonly fileHash: string;
  /** Those that a file with this name may have: Nix gives none and gzip the same name. */
  readonly compressions: readonly Compression[];
}

const NAME = /^(?<hash>[0-9a-df-np-sv-z]{52})\.nar(?<suffix>\.[a-z0-9]{1,5})?$/;

const SUFFIXES: Readonly<Record<string, readonly Compression[]>> = {
  "": ["none", "gzip"],
  ".xz": ["xz"],
  ".zst": ["zstd"],
  ".gz": ["gzip"],
  ".bz2": ["bzip2"],
  ".br": ["br"],
};

/** null when it is no such name, or one of a compression that is not known here. */
export function parseNarFileName(text: string): NarFileName | null {
  const { hash, suffix = "" } = NAME.exec(text)?.groups ?? {};
  const compressions = Object.hasOwn(SUFFIXES, suffix) ? SUFFIXES[suffix] : undefined;
  if (hash === undefined || compressions === undefined) return null;
  return { fileHash: hash, compressions };
}

export const NAR_FILE_NAME_RULE =
  "<hash>.nar, with .xz, .zst, .bz2, .br or .gz when it is compressed, and 52 characters of Nix base 32";
