import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { compress } from "zstd-napi";

export interface BundleFile {
  /** `<hash>-<name>.drv` */
  readonly name: string;
  readonly bytes: Buffer;
}

/** tar archive of the files in their order, compressed with zstd. The same files give the same bytes. */
export async function makeBundle(files: readonly BundleFile[]): Promise<Buffer> {
  const archive = pack();
  const collected = buffer(archive);
  for (const { name, bytes } of files) {
    archive.entry({ name, mode: 0o444, mtime: new Date(0) }, bytes);
  }
  archive.finalize();
  return compress(await collected, { compressionLevel: 1 });
}
