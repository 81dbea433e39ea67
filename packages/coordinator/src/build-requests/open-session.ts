import type { Database, Queries } from "../db/client.ts";
import {
  countOpenSessions,
  insertSession,
  type ManifestFile,
} from "../db/build-request-repository.ts";
import { findWritableCaches } from "../db/cache-path-repository.ts";
import {
  findBlobs,
  listBlobsBefore,
  sumBlobs,
  touchBlobs,
  type SourceBlob,
} from "../db/source-blob-repository.ts";
import { BadRequestError, ConflictError, PayloadTooLargeError } from "../errors.ts";
import { SourcePaths } from "../rules/source-paths.ts";
import { removeBlobs } from "../sources/clean-sources.ts";
import type { SourceFiles } from "../storage/source-files.ts";
import { noSpaceForFiles, spaceForFiles } from "./session-state.ts";
import type { OrganizationId } from "@gradient/protocol";

const SESSION_TTL_MS = 3600 * 1000;
/** Of an organization. The list of each may have 32 MiB. */
const MAX_OPEN_SESSIONS = 64;
const HASH = /^[0-9a-f]{64}$/;

export interface SessionDependencies {
  readonly database: Database;
  readonly sourceFiles: SourceFiles;
  /** Bytes of the largest source. */
  readonly maxSourceBytes: number;
}

export interface SessionRequest {
  readonly organization: OrganizationId;
  readonly userId: string;
  readonly files: readonly ManifestFile[];
}

export interface OpenedSession {
  readonly session: string;
  /** Hashes of the files that have to be uploaded, each once. */
  readonly missing: string[];
}

/**
 * Begins a build request: notes the tree's files and tells which ones the organization has not uploaded before.
 * Throws BadRequestError, PayloadTooLargeError, and ConflictError when the organization has no cache, or too many sessions.
 */
export async function openSession(
  dependencies: SessionDependencies,
  request: SessionRequest,
  now: number,
): Promise<OpenedSession> {
  const { database, maxSourceBytes } = dependencies;
  const { organization, files } = request;
  const blobs = checkManifest(files, maxSourceBytes);
  if ((await findWritableCaches(database.kysely, organization)).length === 0) {
    throw new ConflictError(
      "the organization has no active cache that it writes to: subscribe to one",
      { code: "no_cache" },
    );
  }
  await makeRoom(dependencies, organization, blobs, now);
  return database.transaction(async ({ kysely }) => {
    if ((await countOpenSessions(kysely, organization, now)) >= MAX_OPEN_SESSIONS) {
      throw new ConflictError(
        `${MAX_OPEN_SESSIONS} build requests of the organization are not dispatched: dispatch some of them, or wait an hour until they expire`,
        { code: "too_many_sessions" },
      );
    }
    const missing = await findMissing(kysely, organization, blobs);
    await touchBlobs(kysely, organization, blobs.keys(), now);
    const session = await insertSession(
      kysely,
      {
        organizationId: organization,
        userId: request.userId,
        files,
        expiresAt: now + SESSION_TTL_MS,
      },
      now,
    );
    return { session, missing: missing.map(({ hash }) => hash) };
  });
}

/** Sizes of the files' contents, by hash. */
function checkManifest(
  files: readonly ManifestFile[],
  maxSourceBytes: number,
): Map<string, number> {
  if (files.length === 0) throw new BadRequestError("the list of files is empty");
  const paths = new SourcePaths();
  const blobs = new Map<string, number>();
  let total = 0;
  for (const { path, hash, size } of files) {
    paths.add(path);
    if (!HASH.test(hash)) {
      throw new BadRequestError(
        `file ${JSON.stringify(path)}: its hash has to be a BLAKE3 in 64 lower-case hexadecimal digits`,
      );
    }
    if (size < 0) throw new BadRequestError(`file ${JSON.stringify(path)} has a negative size`);
    if ((blobs.get(hash) ?? size) !== size) {
      throw new BadRequestError(`two files have the hash ${hash} and different sizes`);
    }
    blobs.set(hash, size);
    total += size;
  }
  if (total > maxSourceBytes) {
    throw new PayloadTooLargeError(
      `the files have ${total} bytes together; ${maxSourceBytes} are allowed`,
    );
  }
  return blobs;
}

/** What the organization does not have. Throws BadRequestError for a size that is not the blob's. */
async function findMissing(
  db: Queries,
  organization: string,
  blobs: ReadonlyMap<string, number>,
): Promise<SourceBlob[]> {
  const known = await findBlobs(db, organization, blobs.keys());
  const missing: SourceBlob[] = [];
  for (const [hash, size] of blobs) {
    const knownSize = known.get(hash);
    if (knownSize === undefined) missing.push({ hash, size });
    else if (knownSize !== size) {
      throw new BadRequestError(`the file with hash ${hash} has ${knownSize} bytes, not ${size}`);
    }
  }
  return missing;
}

/** Removes what no session of the last hour names, the longest unused first, as far as the new files need the space. */
async function makeRoom(
  { database, sourceFiles, maxSourceBytes }: SessionDependencies,
  organization: string,
  blobs: ReadonlyMap<string, number>,
  now: number,
): Promise<void> {
  const { kysely } = database;
  const missing = await findMissing(kysely, organization, blobs);
  const needed = missing.reduce((sum, { size }) => sum + size, 0);
  let excess = (await sumBlobs(kysely, organization)) + needed - spaceForFiles(maxSourceBytes);
  if (excess <= 0) return;
  const removed: string[] = [];
  for (const blob of await listBlobsBefore(kysely, organization, now - SESSION_TTL_MS)) {
    if (excess <= 0) break;
    if (blobs.has(blob.hash)) continue;
    removed.push(blob.hash);
    excess -= blob.size;
  }
  if (excess > 0) throw noSpaceForFiles();
  await removeBlobs(kysely, sourceFiles, organization, removed);
}
