import {
  formatSriHash,
  parseContentAddress,
  parseHash,
  storePathBase,
  type NarInfo,
} from "@gradient/protocol";

/** Nix's words for what a content address is the hash of. */
const CA_METHODS = { text: "text", recursive: "nar", flat: "flat" } as const;

/**
 * A narinfo in Nix's JSON form ("Store Object Info", version 2, of a binary cache) with the path's base name. It has every signature; store paths are base names, hashes
 * `sha256-<base 64>`.
 */
export function storeObjectInfo(info: NarInfo) {
  return {
    version: 2,
    path: storePathBase(info.path),
    storeDir: "/nix/store",
    narHash: sri(info.narHash),
    narSize: info.narSize,
    references: info.references.map(storePathBase),
    ca: info.ca === null ? null : contentAddress(info.ca),
    deriver: info.deriver === null ? null : storePathBase(info.deriver),
    registrationTime: null,
    ultimate: false,
    signatures: info.signatures,
    url: info.url,
    compression: info.compression,
    downloadHash: info.fileHash === null ? null : sri(info.fileHash),
    downloadSize: info.fileSize,
  };
}

function sri(hash: string): string {
  return formatSriHash(parseHash(hash));
}

function contentAddress(text: string): { method: string; hash: string } {
  const { method, hash } = parseContentAddress(text);
  return { method: CA_METHODS[method], hash: formatSriHash(hash) };
}
