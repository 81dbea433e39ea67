import { createHash } from "node:crypto";
import { formatNarInfo, storePathBase, type NarInfo } from "@gradient/protocol";
import { narInfoOf } from "../../../caches/shown-paths.ts";
import type { SurfacePath } from "../../../db/cache-surface-view.ts";

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

/** The text of `<hash>.narinfo`. */
export function narinfoText(path: SurfacePath): string {
  return formatNarInfo(narInfoOf(path));
}

/** The same as an object, for `?json`. `Sig` is the cache's own first signature, or empty when there is none yet. */
export function narinfoJson(info: NarInfo) {
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
