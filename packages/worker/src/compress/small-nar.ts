import { dumpPathSync } from "@gradient/protocol";
import { compress } from "zstd-napi";
import { WorkerError } from "../errors.ts";

/**
 * Up to this size a NAR is made where we are, in one go. Above it a thread is cheaper (measured: 80 kB in 10 files take half the
 * CPU time there), and a NAR that can hold only some tens of files does not block for long.
 */
export const SMALL_NAR_BYTES = 16 * 1024;

/** The compressed NAR of a small tree. Throws a WorkerError when the tree has not the given size. */
export function compressSmallNar(source: { path: string; narSize: number }): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (const chunk of dumpPathSync(source.path)) {
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
