import { createHash } from "node:crypto";
import {
  formatNarInfo,
  parseNarHash,
  storePathBase,
  storePathFromBase,
  type NarInfo,
} from "@gradient/protocol";
import type { SurfacePath } from "../../../db/cache-surface-view.ts";
import { readJsonColumn, stringListSchema } from "../../../db/json-column.ts";

export const NARINFO_HEADERS = {
  "content-type": "text/x-nix-narinfo",
  "x-cache": "HIT",
  "access-control-allow-origin": "*",
} as const;

/** Changes with every field of a narinfo, also with a signature that is added. */
export function narinfoTag(text: string): string {
  return `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

export function noSuchPath(cacheName: string, hash: string): string {
  return `cache "${cacheName}" has no path with hash ${hash}`;
}

/** Where a cache shows a NAR, relative to its root. */
function narUrl(path: SurfacePath): string {
  return `nar/${path.file_hash}.nar.zst`;
}

/** The text of `<hash>.narinfo`. */
export function narinfoText(path: SurfacePath): string {
  return formatNarInfo({
    path: storePathFromBase(path.path),
    url: narUrl(path),
    compression: path.compression,
    fileHash: `sha256:${path.file_hash}`,
    fileSize: path.file_size,
    narHash: parseNarHash(`sha256:${path.nar_hash}`),
    narSize: path.nar_size,
    references: readJsonColumn(stringListSchema, path.references_json).map(storePathFromBase),
    deriver: path.deriver === null ? null : storePathFromBase(path.deriver),
    signatures: readJsonColumn(stringListSchema, path.signatures_json),
    ca: path.ca,
  });
}

/** The same as an object, for `?json`. `Sig` is the cache's own signature, or empty when there is none yet. */
export function narinfoJson(path: SurfacePath) {
  return {
    StorePath: storePathFromBase(path.path),
    URL: narUrl(path),
    Compression: path.compression,
    FileHash: `sha256:${path.file_hash}`,
    FileSize: path.file_size,
    NarHash: `sha256:${path.nar_hash}`,
    NarSize: path.nar_size,
    References: readJsonColumn(stringListSchema, path.references_json),
    Sig: readJsonColumn(stringListSchema, path.signatures_json)[0] ?? "",
    Deriver: path.deriver,
    CA: path.ca,
  };
}

/** The same of a path that an upstream has. */
export function upstreamJson(info: NarInfo) {
  return {
    StorePath: info.path,
    URL: info.url,
    Compression: info.compression,
    FileHash: info.fileHash,
    FileSize: info.fileSize,
    NarHash: info.narHash,
    NarSize: info.narSize,
    References: info.references.map(storePathBase),
    Sig: info.signatures[0] ?? "",
    Deriver: info.deriver === null ? null : storePathBase(info.deriver),
    CA: info.ca,
  };
}
