import { createHash } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import type { NarObject, NewNarObject } from "../db/nar-object-repository.ts";
import { PayloadTooLargeError } from "../errors.ts";
import type { Draft } from "../storage/drafts.ts";
import { decompress, sniff, type Compression } from "./compression.ts";
import { GatheredWrites } from "./gathered-writes.ts";
import { NarInspection } from "./nar-inspection.ts";
import { Turns } from "./turns.ts";
import { ZstdEncoder } from "./zstd-encoder.ts";

/** A file with a NAR, as somebody sent it. */
export interface GivenFile {
  readonly compression: Compression;
  /** 52 characters of Nix base 32. */
  readonly fileHash: string;
  readonly fileSize: number;
}

/** What a file turned out to be. */
export interface ReceivedFile {
  readonly given: GivenFile;
  /** As it is stored. */
  readonly object: NarObject;
}

/** One that was just received, with everything that its NAR says of itself. */
interface InspectedFile extends ReceivedFile {
  readonly object: NewNarObject;
}

export interface ReceiveLimits {
  /** Bytes of the file. */
  readonly maxFileBytes: number;
  /** Bytes of the NAR in it. */
  readonly maxNarBytes: number;
}

/** Counts and hashes bytes on their way. */
class Measure {
  bytes = 0;
  readonly #hash = createHash("sha256");

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
  }

  hash(): string {
    return encodeNix32(this.#hash.digest());
  }
}

/**
 * Reads a file to its end, checks that it holds a NAR and nothing else, and writes the NAR to the draft in the form in which it is stored: zstd as it
 * came, all else packed anew. What it wrote is of no use when it throws. Throws UnprocessableError, PayloadTooLargeError.
 */
export async function receiveFile(
  source: AsyncIterable<Uint8Array>,
  limits: ReceiveLimits,
  draft: Pick<Draft, "write">,
): Promise<InspectedFile> {
  const given = new Measure();
  const { compression, bytes } = await sniff(source);
  const writes = compression === "zstd" ? new GatheredWrites(draft) : null;
  async function* arriving(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      given.add(chunk);
      if (given.bytes > limits.maxFileBytes) throw tooLarge(limits.maxFileBytes);
      await writes?.write(chunk);
      yield chunk;
    }
    await writes?.flush();
  }
  const inspection = new NarInspection(limits.maxNarBytes);
  const packer = compression === "zstd" ? null : new Packer(draft);
  const turns = new Turns();
  for await (const piece of decompress(compression, arriving())) {
    inspection.write(piece);
    await packer?.write(piece);
    await turns.giveWay();
  }
  const found = inspection.finish();
  const file = { compression, fileHash: given.hash(), fileSize: given.bytes };
  const stored = packer === null ? file : await packer.end();
  return {
    given: file,
    object: { ...found, fileHash: stored.fileHash, fileSize: stored.fileSize },
  };
}

/** Packs a NAR that came in another form. */
export class Packer {
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

function tooLarge(maxBytes: number): PayloadTooLargeError {
  return new PayloadTooLargeError(
    `the file with the NAR is larger than the ${maxBytes} bytes that this server takes (GRADIENT_MAX_NAR_UPLOAD_SIZE)`,
  );
}
