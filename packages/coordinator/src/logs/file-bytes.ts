import { open } from "node:fs/promises";

const PIECE_BYTES = 64 * 1024;

/** A file's bytes from `start` on, in pieces. A stream would cost several times as much for the small files that most logs are. */
export async function* fileBytes(
  file: string,
  start: number,
): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(file, "r");
  try {
    for (let at = start; ;) {
      const { bytesRead, buffer } = await handle.read(
        Buffer.allocUnsafe(PIECE_BYTES),
        0,
        PIECE_BYTES,
        at,
      );
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      if (bytesRead < PIECE_BYTES) return;
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
