import type { Config } from "../config/settings.ts";
import { createLogger } from "../logger.ts";
import { failure, good, reasonOf, type Finding } from "./finding.ts";

const AREA = "object store";

/** Whether the bucket answers; nothing when NARs are on the disk. */
export async function checkObjectStore({ objectStore }: Config): Promise<Finding[]> {
  if (objectStore === null) return [];
  const { S3Bucket } = await import("../storage/s3-bucket.ts");
  using bucket = new S3Bucket(objectStore, createLogger("silent"));
  try {
    await bucket.probe();
    return [good(AREA, `bucket "${objectStore.bucket}" answers`)];
  } catch (error) {
    const where = objectStore.endpoint ?? "AWS";
    return [
      failure(
        AREA,
        `bucket "${objectStore.bucket}" of ${where} does not answer: ${reasonOf(error)}`,
        "look at its name, region and endpoint, at the credentials, and at the network",
      ),
    ];
  }
}
