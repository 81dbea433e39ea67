import type { BucketLocation } from "../config/object-store.ts";
import type { Logger } from "../logger.ts";
import { NarFiles } from "./nar-files.ts";
import type { NarStorage } from "./nar-storage.ts";

/** Where the NARs of a farm are: in its data directory, or in a bucket. */
export async function openNars(options: {
  readonly dataDir: string;
  readonly objectStore?: BucketLocation | null;
  readonly logger: Logger;
}): Promise<NarStorage> {
  const { dataDir, objectStore, logger } = options;
  if (objectStore === undefined || objectStore === null) return NarFiles.open(dataDir);
  // Its client is large, and most farms keep NARs on a disk.
  const { S3Nars } = await import("./s3-nars.ts");
  return S3Nars.open({ dataDir, location: objectStore, logger });
}
