const NEWLINE = 0x0a;

/**
 * Lines of a stream without their newline, decoded as UTF-8 with replacement characters. A line longer than
 * `maxLineBytes` is cut there and the rest of it dropped, so that no program can fill the memory. The last line needs no
 * newline.
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = [];
  let heldBytes = 0;
  const hold = (piece: Uint8Array): void => {
    const taken = piece.subarray(0, Math.max(0, maxLineBytes - heldBytes));
    if (taken.length > 0) parts.push(taken);
    heldBytes += taken.length;
  };
  const take = (): string => {
    const line = Buffer.concat(parts).toString("utf8");
    parts = [];
    heldBytes = 0;
    return line;
  };
  let isInLine = false;
  for await (const chunk of stream) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      hold(chunk.subarray(from, at));
      yield take();
      isInLine = false;
      from = at + 1;
    }
    if (from < chunk.length) {
      hold(chunk.subarray(from));
      isInLine = true;
    }
  }
  if (isInLine) yield take();
}
