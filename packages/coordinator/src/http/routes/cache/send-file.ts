import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ByteRange, NarStore } from "../../../ports.ts";

/** What is done for each chunk costs as much as to copy a quarter of it. */
const CHUNK_BYTES = 512 * 1024;

/**
 * Sends a part of a file and ends the response; the head must be written already. One buffer serves all chunks: the
 * next one is read when the kernel has taken the last. (Measured against streams and pipes: the way that is fast on every release of Node.) A client that goes away ends it without an error; a file that
 * cannot be read, or is too short, breaks the connection and throws.
 */
export async function sendFile(
  response: ServerResponse,
  nars: Pick<NarStore, "readPartNow">,
  file: FileHandle,
  range: ByteRange,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, range.end - range.start));
  let position = range.start;
  try {
    while (position < range.end) {
      const wanted = buffer.subarray(0, range.end - position);
      const bytesRead = await readPart(nars, file, wanted, position);
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

async function readPart(
  nars: Pick<NarStore, "readPartNow">,
  file: FileHandle,
  buffer: Buffer,
  position: number,
): Promise<number> {
  // Whatever else there is has its turn: a client that reads quickly would be served without a pause.
  await nextTurn();
  const bytesRead = nars.readPartNow(file, buffer, position);
  return bytesRead ?? (await file.read(buffer, 0, buffer.length, position)).bytesRead;
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
