import type { NarObject, NewNarObject } from "../db/nar-object-repository.ts";
import { PayloadTooLargeError } from "../errors.ts";
import type { Draft } from "../storage/drafts.ts";
import { decompress, sniff, type Compression } from "./compression.ts";
import { GatheredWrites } from "./gathered-writes.ts";
import { inspectZstd } from "./inspect-zstd.ts";
import { Measure } from "./measure.ts";
import { packNar } from "./pack-nar.ts";

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

/**
 * Reads a file to its end, checks that it holds a NAR and nothing else, and writes the NAR to the draft in the form in which it is stored: zstd as it
 * came, all else packed anew. What it wrote is of no use when it throws. `given` counts what has come. Throws UnprocessableError, PayloadTooLargeError.
 */
export async function receiveFile(
  source: AsyncIterable<Uint8Array>,
  limits: ReceiveLimits,
  draft: Pick<Draft, "write">,
  given: Measure,
): Promise<InspectedFile> {
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
  if (compression === "zstd") {
    const found = await inspectZstd(arriving(), limits.maxNarBytes);
    const form = { fileHash: given.hash(), fileSize: given.bytes };
    return { given: { compression, ...form }, object: { ...found, ...form } };
  }
  const object = await packNar(decompress(compression, arriving()), limits.maxNarBytes, draft);
  return { given: { compression, fileHash: given.hash(), fileSize: given.bytes }, object };
}

function tooLarge(maxBytes: number): PayloadTooLargeError {
  return new PayloadTooLargeError(
    `the file with the NAR is larger than the ${maxBytes} bytes that this server takes (GRADIENT_MAX_NAR_UPLOAD_SIZE)`,
  );
}
