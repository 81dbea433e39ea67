import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import type { ByteRange } from "../../../ports.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * Sends a part of a file and ends the response; the head must be written already. One buffer serves all chunks: the
 * next one is read when the kernel has taken the last. (Measured against streams and pipes: the way that is fast on every release of Node.) A client that goes away ends it without an error; a file that
 * cannot be read, or is too short, breaks the connection and throws.
 */
export async function sendFile(
  response: ServerResponse,
  file: FileHandle,
  range: ByteRange,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, range.end - range.start));
  let position = range.start;
  try {
    while (position < range.end) {
      const length = Math.min(buffer.length, range.end - position);
      const { bytesRead } = await file.read(buffer, 0, length, position);
      if (bytesRead === 0) throw new Error(`file ends at ${position}, before ${range.end}`);
      position += bytesRead;
      if (!(await sendChunk(response, buffer.subarray(0, bytesRead)))) return;
    }
  } catch (error) {
    // The head promised more bytes: only a broken connection tells the client that they will not come.
    response.destroy();
    throw error;
  }
  response.end();
}

/** Resolves once the chunk's memory may be used again; false when the client went away. */
export function sendChunk(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    response.once("close", onClose);
    response.write(chunk, (error) => {
      response.off("close", onClose);
      resolve(!error);
    });
  });
}
