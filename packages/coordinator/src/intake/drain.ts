/** Reads a body to its end: a client that still sends would see a broken connection instead of the answer. */
export async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) void piece;
}
