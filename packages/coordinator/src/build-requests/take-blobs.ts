import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { BuildRequestSession } from "../db/build-request-repository.ts";
import { putBlob, sumBlobs } from "../db/source-blob-repository.ts";
import { BadRequestError } from "../errors.ts";
import type { SessionDependencies } from "./open-session.ts";
import { checkOpen, missingBlobs, noSpaceForFiles, spaceForFiles } from "./session-state.ts";

/** A file that comes in, named by its hash. */
export interface IncomingBlob {
  readonly hash: string;
  readonly contents: AsyncIterable<Uint8Array>;
}

/**
 * Takes files that a session lacks. Each is kept as soon as it was found to be what its name says, also when a later one is refused.
 * Throws BadRequestError for a file that is not missing or not what its hash says, PayloadTooLargeError when the organization's other sessions have taken the space that there was,
 * ConflictError and GoneError for a session that is over.
 */
export async function takeBlobs(
  { database, sourceFiles, maxSourceBytes }: SessionDependencies,
  session: BuildRequestSession,
  blobs: AsyncIterable<IncomingBlob>,
  now: number,
): Promise<{ uploaded: number; remaining: number }> {
  checkOpen(session, now);
  const { organizationId } = session;
  const missing = await missingBlobs(database.kysely, session);
  let room = spaceForFiles(maxSourceBytes) - (await sumBlobs(database.kysely, organizationId));
  let uploaded = 0;
  for await (const { hash, contents } of blobs) {
    const size = missing.get(hash);
    if (size === undefined) {
      throw new BadRequestError(`${JSON.stringify(hash)} is not the hash of a missing file`);
    }
    room -= size;
    if (room < 0) throw noSpaceForFiles();
    await using draft = sourceFiles.draft();
    const received = await draft.write(verified(contents, { hash, size }));
    if (received !== size) {
      throw new BadRequestError(`file ${hash} has ${received} bytes, not ${size} as announced`);
    }
    await draft.keepAsBlob(organizationId, hash);
    await database.relaxedTransaction(({ kysely }) =>
      putBlob(kysely, organizationId, { hash, size }, now),
    );
    missing.delete(hash);
    uploaded += 1;
  }
  return { uploaded, remaining: missing.size };
}

/** The contents as they are. Throws BadRequestError at their end when they are not those of the hash, or as soon as they are too long. */
export async function* verified(
  contents: AsyncIterable<Uint8Array>,
  { hash, size }: { hash: string; size: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const digest = blake3.create();
  let length = 0;
  for await (const chunk of contents) {
    length += chunk.length;
    if (length > size) {
      throw new BadRequestError(`file ${hash} has more than the ${size} bytes that were announced`);
    }
    digest.update(chunk);
    yield chunk;
  }
  const actual = bytesToHex(digest.digest());
  if (actual !== hash) {
    throw new BadRequestError(`the file that was sent as ${hash} has the BLAKE3 hash ${actual}`);
  }
}
