import { PayloadTooLargeError } from "../errors.ts";

/** What is kept of an upload that comes in pieces. */
export interface UploadPieces {
  /** 0 when there is nothing. */
  size(): Promise<number>;
  /** Goes on behind what is there. What came before a failure stays. */
  append(contents: AsyncIterable<Uint8Array>): Promise<void>;
  remove(): Promise<void>;
}

/**
 * Takes the bytes from `offset` on: 0 begins anew, the current length goes on, and at any other place nothing is added. Resolves to the
 * length that is there then. `check` is told each length before it is reached; when it throws PayloadTooLargeError nothing is kept.
 */
export async function takePiece(
  pieces: UploadPieces,
  offset: number,
  contents: AsyncIterable<Uint8Array>,
  check: (bytes: number) => void,
): Promise<number> {
  if (offset === 0) await pieces.remove();
  const kept = await pieces.size();
  if (offset !== kept) {
    // Read to its end: a client that still sends would see a broken connection instead of the answer.
    for await (const chunk of contents) void chunk;
    return kept;
  }
  try {
    await pieces.append(checked(contents, kept, check));
  } catch (error) {
    // What is too large stays so; what broke off can go on.
    if (error instanceof PayloadTooLargeError) await pieces.remove();
    throw error;
  }
  return pieces.size();
}

async function* checked(
  contents: AsyncIterable<Uint8Array>,
  kept: number,
  check: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = kept;
  for await (const chunk of contents) {
    bytes += chunk.length;
    check(bytes);
    yield chunk;
  }
}
