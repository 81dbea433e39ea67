import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { PayloadTooLargeError, UnprocessableError } from "../errors.ts";
import { Turns } from "./turns.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

const MAX_ENTRY_BYTES = 64 * 1024 * 1024;
const MAX_BUNDLE_BYTES = 2 * 1024 * 1024 * 1024;

export interface BundleEntry {
  readonly name: string;
  readonly contents: Buffer;
}

/** Files of a tar+zstd bundle, one at a time. Throws UnprocessableError for what is no bundle, PayloadTooLargeError for what is too large. */
export async function* readBundle(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<BundleEntry, void, undefined> {
  const archive = extract();
  const source = Readable.from(decompress(body), { objectMode: false });
  source.on("error", (error) => archive.destroy(error));
  source.pipe(archive);
  try {
    for await (const entry of archive) {
      const { name, size, type } = entry.header;
      if (type !== "file") {
        throw new UnprocessableError(
          `bundle entry '${name}' is a ${type}: only files are expected`,
          {
            code: "bad_bundle",
          },
        );
      }
      if (size > MAX_ENTRY_BYTES) {
        throw new PayloadTooLargeError(
          `bundle entry '${name}' has ${size} bytes, ${MAX_ENTRY_BYTES} are allowed`,
        );
      }
      yield { name, contents: await collect(entry) };
    }
  } catch (error) {
    // The archive's reader throws plain errors; those of streams and of ours have a code.
    if (error instanceof Error && error.name === "Error" && !("code" in error)) {
      throw new UnprocessableError(`the bundle is no tar archive: ${error.message}`, {
        code: "bad_bundle",
        cause: error,
      });
    }
    throw error;
  } finally {
    source.destroy();
  }
}

async function collect(entry: AsyncIterable<unknown>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of entry) {
    if (piece instanceof Uint8Array) pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function* decompress(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  using decoder = ZstdDecoder.borrow();
  const turns = new Turns();
  let size = 0;
  for await (const chunk of body) {
    for (const piece of decoder.decode(chunk)) {
      size += piece.length;
      if (size > MAX_BUNDLE_BYTES) {
        throw new PayloadTooLargeError(
          `the bundle is larger than ${MAX_BUNDLE_BYTES} bytes: send it in parts`,
        );
      }
      // The decoder's next piece overwrites this one.
      yield Buffer.from(piece);
      await turns.giveWay();
    }
  }
  decoder.end();
}
