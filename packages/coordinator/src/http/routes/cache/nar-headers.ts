import type { ByteRange } from "../../../ports.ts";

export const NAR_TYPE = "application/x-nix-nar";

/** What is named by its hash never changes. */
const CACHED_FOREVER = "max-age=31536000, immutable";

/** How a stored file may be kept by those who get it. */
export function keepingHeaders(cache: { readonly public: 0 | 1 }, etag: string) {
  const visibility = cache.public === 1 ? "public" : "private";
  return { etag, "cache-control": `${visibility}, ${CACHED_FOREVER}` };
}

/** What a stored file, or a part of it, is. */
export function narHeaders(part: ByteRange) {
  return {
    "content-type": NAR_TYPE,
    "content-length": part.end - part.start,
    "accept-ranges": "bytes",
  };
}
