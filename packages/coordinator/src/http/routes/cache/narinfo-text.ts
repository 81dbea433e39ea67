import { hash } from "node:crypto";
import { STORE_DIR, storePathBase, type NarInfo } from "@gradient/protocol";
import type { SurfacePath } from "../../../db/cache-surface-view.ts";

export const NARINFO_HEADERS = {
  "content-type": "text/x-nix-narinfo",
  "x-cache": "HIT",
  "access-control-allow-origin": "*",
} as const;

/** Changes with every field of a narinfo, also with a signature that is added. */
export function narinfoTag(text: string): string {
  return `"${hash("sha256", text, "base64url").slice(0, 22)}"`;
}

/** Said alike wherever a path is asked for; `hash` is the 32 characters of it. */
export function noSuchPath(cacheName: string, hash: string): string {
  return `cache "${cacheName}" has no path with hash ${hash}`;
}

/**
 * The text of `<hash>.narinfo`: what `formatNarInfo` of the protocol makes, straight from columns that were checked when they were written. Substituting
 * clients wait for it a thousand times.
 */
export function narinfoText(path: SurfacePath): string {
  const references = readTexts(path.references_json).join(" ");
  const signatures = readTexts(path.signatures_json).map((signature) => `Sig: ${signature}\n`);
  return [
    `StorePath: ${STORE_DIR}/${path.path}\nURL: nar/${path.file_hash}.nar.zst\nCompression: ${path.compression}\n`,
    `FileHash: sha256:${path.file_hash}\nFileSize: ${path.file_size}\nNarHash: sha256:${path.nar_hash}\nNarSize: ${path.nar_size}\n`,
    references === "" ? "" : `References: ${references}\n`,
    path.deriver === null ? "" : `Deriver: ${path.deriver}\n`,
    ...signatures,
    path.ca === null ? "" : `CA: ${path.ca}\n`,
  ].join("");
}

/** A column with a list of texts. */
function readTexts(json: string): string[] {
  const list: unknown = JSON.parse(json);
  if (Array.isArray(list) && list.every((each) => typeof each === "string")) return list;
  throw new Error(`a column has ${json} where a list of texts was written`);
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
