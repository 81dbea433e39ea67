import type { NewNarObject } from "../db/nar-object-repository.ts";
import type { Draft } from "../storage/drafts.ts";
import { Measure } from "./measure.ts";
import { NarInspection } from "./nar-inspection.ts";
import { Turns } from "./turns.ts";
import { ZstdEncoder } from "./zstd-encoder.ts";

/** Writes a NAR's compressed form into the draft and tells what both are. Throws UnprocessableError for bytes that are no NAR, and for more than `maxNarBytes`. */
export async function packNar(
  nar: AsyncIterable<Uint8Array>,
  maxNarBytes: number,
  draft: Pick<Draft, "write">,
): Promise<NewNarObject> {
  const inspection = new NarInspection(maxNarBytes);
  const packer = new Packer(draft);
  const turns = new Turns();
  for await (const chunk of nar) {
    inspection.write(chunk);
    await packer.write(chunk);
    await turns.giveWay();
  }
  return { ...inspection.finish(), ...(await packer.end()) };
}

class Packer {
  readonly #draft: Pick<Draft, "write">;
  readonly #encoder = new ZstdEncoder();
  readonly #measure = new Measure();

  constructor(draft: Pick<Draft, "write">) {
    this.#draft = draft;
  }

  async write(piece: Uint8Array): Promise<void> {
    await this.#writeAll(this.#encoder.encode(piece));
  }

  async end(): Promise<{ fileHash: string; fileSize: number }> {
    await this.#writeAll(this.#encoder.end());
    return { fileHash: this.#measure.hash(), fileSize: this.#measure.bytes };
  }

  async #writeAll(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      this.#measure.add(piece);
      await this.#draft.write(piece);
    }
  }
}
