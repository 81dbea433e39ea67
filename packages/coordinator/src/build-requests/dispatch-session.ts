import type { InputOverride, OrganizationId } from "@gradient/protocol";
import {
  dispatchSession as markDispatched,
  type BuildRequestSession,
} from "../db/build-request-repository.ts";
import type { Database } from "../db/client.ts";
import { isMissing } from "../error-facts.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import type { Sources, StartedSourceEvaluation } from "../ports.ts";
import { checkInputOverrides } from "../rules/input-override.ts";
import { removeBlobs } from "../sources/clean-sources.ts";
import type { SourceFiles, TreeDraft } from "../storage/source-files.ts";
import { checkTarget, chooseWildcard, type WildcardDependencies } from "./choose-wildcard.ts";
import { alreadyDispatched, checkOpen, missingBlobs } from "./session-state.ts";
import { verified } from "./take-blobs.ts";

/** What a client wants to have of its source. */
export interface BuildRequest {
  readonly target: string | null;
  /** Whose packages are meant when there is no target. */
  readonly system: string | null;
  readonly inputOverrides: readonly InputOverride[];
}

export interface DispatchDependencies extends WildcardDependencies {
  readonly database: Database;
  readonly sourceFiles: SourceFiles;
  readonly sources: Sources;
}

/**
 * Puts the session's files together, stores them as a source and queues its evaluation.
 * Throws ConflictError while files are missing and when it was dispatched before, GoneError when it has expired, BadRequestError.
 */
export async function dispatchSession(
  dependencies: DispatchDependencies,
  { session, organization }: { session: BuildRequestSession; organization: OrganizationId },
  request: BuildRequest,
  now: number,
): Promise<StartedSourceEvaluation> {
  const { database, sourceFiles, sources } = dependencies;
  checkOpen(session, now);
  checkTarget(request);
  checkInputOverrides(request.inputOverrides);
  const missing = await missingBlobs(database.kysely, session);
  if (missing.size > 0) throw stillMissing(missing.size);
  await using tree = await sourceFiles.treeDraft();
  await fillTree(dependencies, session, tree);
  const source = await sources.store(organization, tree.nar());
  return await sources.evaluate({
    source,
    project: "build-request",
    wildcard: await chooseWildcard(dependencies, source, request),
    inputOverrides: request.inputOverrides,
    triggeredBy: session.userId,
    record: async (db, _evaluation, at) => {
      if (!(await markDispatched(db, session.id, at))) throw alreadyDispatched(session.id);
    },
  });
}

/** Blobs are not flushed to the disk when they come: each is looked at again, and asked for again when it was lost. */
async function fillTree(
  { database, sourceFiles }: DispatchDependencies,
  { organizationId, files }: BuildRequestSession,
  tree: TreeDraft,
): Promise<void> {
  const good = new Set<string>();
  const lost = new Set<string>();
  for (const { path, hash, size, executable } of files) {
    if (!good.has(hash) && !lost.has(hash)) {
      const isGood = await isIntact(sourceFiles.readBlob(organizationId, hash), { hash, size });
      if (isGood) good.add(hash);
      else lost.add(hash);
    }
    if (good.has(hash)) {
      await tree.addBlob(path, sourceFiles.blob(organizationId, hash), executable);
    }
  }
  if (lost.size === 0) return;
  await removeBlobs(database.kysely, sourceFiles, organizationId, [...lost]);
  throw stillMissing(lost.size);
}

async function isIntact(
  contents: AsyncIterable<Uint8Array>,
  blob: { hash: string; size: number },
): Promise<boolean> {
  try {
    for await (const chunk of verified(contents, blob)) void chunk;
    return true;
  } catch (error) {
    if (isMissing(error) || error instanceof BadRequestError) return false;
    throw error;
  }
}

function stillMissing(count: number): ConflictError {
  return new ConflictError(`${count} of the session's files are missing: upload them first`);
}
