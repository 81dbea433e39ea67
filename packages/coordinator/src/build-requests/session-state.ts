import type { BuildRequestSession } from "../db/build-request-repository.ts";
import type { Queries } from "../db/client.ts";
import { findBlobs } from "../db/source-blob-repository.ts";
import { ConflictError, GoneError, PayloadTooLargeError } from "../errors.ts";

/** What an organization may keep, in sources of the largest size. */
const MAX_SOURCES_KEPT = 8;

/** Bytes of files that an organization may keep; `maxSourceBytes`: of the largest source. */
export function spaceForFiles(maxSourceBytes: number): number {
  return MAX_SOURCES_KEPT * maxSourceBytes;
}

export function noSpaceForFiles(): PayloadTooLargeError {
  return new PayloadTooLargeError(
    "the organization's uploads of the last hour take up all of its space: try again later",
  );
}

/** Throws ConflictError for a session that was dispatched, GoneError for one that has expired. */
export function checkOpen(session: BuildRequestSession, now: number): void {
  if (session.isDispatched) throw alreadyDispatched(session.id);
  if (session.expiresAt <= now) {
    throw new GoneError(`session ${session.id} has expired: begin again with a new manifest`);
  }
}

/** A session starts one evaluation: 409 for whoever comes second. */
export function alreadyDispatched(id: string): ConflictError {
  return new ConflictError(`session ${id} was dispatched already`);
}

/** Files of the session that have not been uploaded, with their sizes, by hash. */
export async function missingBlobs(
  db: Queries,
  { organizationId, files }: BuildRequestSession,
): Promise<Map<string, number>> {
  const missing = new Map(files.map(({ hash, size }) => [hash, size]));
  for (const hash of (await findBlobs(db, organizationId, missing.keys())).keys()) {
    missing.delete(hash);
  }
  return missing;
}
