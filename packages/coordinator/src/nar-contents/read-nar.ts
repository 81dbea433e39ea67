import { Turns } from "../intake/turns.ts";
import { ZstdDecoder } from "../intake/zstd-decoder.ts";
import type { NarStore } from "../ports.ts";

/** The decompressed bytes of a stored NAR, in pieces that are valid until the next one. */
export async function* readNar(
  nars: NarStore,
  narHash: string,
): AsyncGenerator<Buffer, void, undefined> {
  using decoder = ZstdDecoder.borrow();
  const turns = new Turns();
  for await (const chunk of await nars.read(narHash)) {
    for (const piece of decoder.decode(chunk)) {
      yield piece;
      await turns.giveWay();
    }
  }
  decoder.end();
}
