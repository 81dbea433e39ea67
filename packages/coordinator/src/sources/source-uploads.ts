import { PayloadTooLargeError } from "../errors.ts";
import { ChunkedUploads } from "../intake/chunked-uploads.ts";
import type { StagedFiles } from "../storage/staged-files.ts";

/** All that a user has begun to send, in sources of the largest size. */
const MAX_SOURCES_PER_USER = 4;

/** NARs of sources that users send in chunks; `maxBytes`: of one. */
export function openSourceUploads(files: StagedFiles, maxBytes: number): ChunkedUploads {
  return new ChunkedUploads(files, () => (bytes, otherBytes) => {
    if (bytes > maxBytes) {
      throw new PayloadTooLargeError(`a source may have ${maxBytes} bytes at most`);
    }
    if (bytes + otherBytes > MAX_SOURCES_PER_USER * maxBytes) {
      throw new PayloadTooLargeError(
        "your other uploads take up all of your space: finalize them, give them up with an empty chunk at offset 0, or wait a day until they are removed",
      );
    }
  });
}
