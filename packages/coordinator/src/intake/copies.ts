/** For readers that keep a piece beyond the next one, which overwrites it. */
export async function* copies(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of pieces) yield Buffer.from(piece);
}
