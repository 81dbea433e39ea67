import { parseNarHash, storePathFromBase, type NarInfo } from "@gradient/protocol";
import type { SurfacePath } from "../db/cache-surface-view.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";

/** What a narinfo says of a path of the cache's own. The URL is relative to the cache's root. */
export function narInfoOf(path: SurfacePath): NarInfo {
  return {
    path: storePathFromBase(path.path),
    url: `nar/${path.file_hash}.nar.zst`,
    compression: path.compression,
    fileHash: `sha256:${path.file_hash}`,
    fileSize: path.file_size,
    narHash: parseNarHash(`sha256:${path.nar_hash}`),
    narSize: path.nar_size,
    references: readJsonColumn(stringListSchema, path.references_json).map(storePathFromBase),
    deriver: path.deriver === null ? null : storePathFromBase(path.deriver),
    signatures: readJsonColumn(stringListSchema, path.signatures_json),
    ca: path.ca,
  };
}
