import { dumpPathSync, MAX_BUNDLED_NAR_BYTES } from "@gradient/protocol";
import { compress } from "zstd-napi";
import { WorkerError } from "../errors.ts";

/**
 * Up to this size a NAR is made where we are, in one go: waking a thread costs more (measured: 60 kB take half again to twice as
 * much CPU time there, in one file as in 30). Nothing blocks for long: one file takes 0.2 ms, 300 tiny ones 5 ms.
 */
export const SMALL_NAR_BYTES = MAX_BUNDLED_NAR_BYTES;

/** The compressed NAR of a small tree. Throws a WorkerError when the tree has not the given size. */
export function compressSmallNar(source: { path: string; narSize: number }): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (const chunk of dumpPathSync(source.path, source.narSize)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > source.narSize) break;
  }
  if (size !== source.narSize) {
    throw new WorkerError(
      "nar-size",
      `${source.path} is damaged: its NAR does not have the ${source.narSize} bytes that the store says; run 'nix-store --verify-path' on it`,
    );
  }
  return compress(Buffer.concat(chunks), { compressionLevel: 1 });
}
