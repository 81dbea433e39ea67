import type { Queries } from "../db/client.ts";
import { deleteSessionsBefore, forgetExpiredFiles } from "../db/build-request-repository.ts";
import { findOrganization } from "../db/organization-repository.ts";
import { deleteBlobs, listOldBlobs } from "../db/source-blob-repository.ts";
import type { SourceFiles } from "../storage/source-files.ts";

const DAY_MS = 24 * 3600 * 1000;
/** An unchanged file need not be sent again for so long. */
const BLOBS_KEPT_MS = 7 * DAY_MS;
/** An upload that broke off can go on for so long. */
const UPLOADS_KEPT_MS = DAY_MS;
/** Who comes late hears that the session has expired, and not that there never was one. */
const SESSIONS_KEPT_MS = DAY_MS;
const BLOBS_AT_ONCE = 500;

/** Removes what clients have uploaded and nobody has used for long. */
export async function cleanSources(db: Queries, files: SourceFiles, now: number): Promise<void> {
  await forgetExpiredFiles(db, now);
  await deleteSessionsBefore(db, now - SESSIONS_KEPT_MS);
  await files.uploads.removeBefore(now - UPLOADS_KEPT_MS);
  for (;;) {
    const old = await listOldBlobs(db, now - BLOBS_KEPT_MS, BLOBS_AT_ONCE);
    for (const { organization, hash } of old) await removeBlobs(db, files, organization, [hash]);
    if (old.length < BLOBS_AT_ONCE) break;
  }
  for (const owner of await files.blobOwners()) {
    if ((await findOrganization(db, owner, null)) === undefined) await files.removeBlobsOf(owner);
  }
}

/** The rows go first: a blob without its file would be thought to be there. */
export async function removeBlobs(
  db: Queries,
  files: SourceFiles,
  organization: string,
  hashes: readonly string[],
): Promise<void> {
  await deleteBlobs(db, organization, hashes);
  for (const hash of hashes) await files.removeBlob(organization, hash);
}
