import type { PathFacts } from "@gradient/protocol";
import { UnavailableError, UnprocessableError } from "../errors.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { Queries } from "../db/client.ts";
import { hashPartOf, type CachedPath } from "../db/cache-path-repository.ts";
import { visibilityOfEvaluation, type Visibility } from "../db/hidden-path-repository.ts";
import { findReferences } from "./find-references.ts";
import { applyPublication, type PublicationPlanner } from "./publication.ts";
import type { TransferGrant } from "./transfer-access.ts";
import { unfoundReferences, verifyPath, type PathEvidence } from "./verify-path.ts";

/** Facts that change while a publication is prepared make it void; more than so many times in a row they do not. */
const MAX_PLANS = 5;

/**
 * Shows uploaded paths in the organization's caches: all of them or none. Content-addressed ones are believed by their contents,
 * others by the worker's signature. The worker is asked later for the signatures that are not there. Throws UnprocessableError that names the path at fault.
 */
export async function takePaths(
  options: { evidence: PathEvidence; publications: PublicationPlanner; changes: ChangeFacts },
  granted: TransferGrant,
  claims: readonly PathFacts[],
): Promise<void> {
  const { evidence, publications, changes } = options;
  const { organization, worker } = granted;
  const paths: CachedPath[] = [];
  for (const facts of claims) {
    const verdict = await verifyPath(evidence, facts, granted);
    if (!verdict.isVerified) throw new UnprocessableError(verdict.reason, { code: "path_refused" });
    const { path, object, isContentAddressed } = verdict;
    // What a text refers to is part of its address, whether it occurs in it or not.
    if (!isContentAddressed) {
      const found = await findReferences(evidence.files, object, path.references.map(hashPartOf));
      const [unfound] = unfoundReferences(path, found);
      if (unfound !== undefined) {
        throw new UnprocessableError(
          `${facts.path} claims to refer to /nix/store/${unfound}, which does not occur in it`,
          {
            code: "path_refused",
          },
        );
      }
    }
    paths.push(path);
  }
  for (let plans = 0; plans < MAX_PLANS; plans++) {
    const publication = await publications.plan(organization, paths);
    const isShown = await changes(async (change) =>
      applyPublication(change, publication, worker, await visibilityOf(change.kysely, granted)),
    );
    if (isShown) return;
  }
  throw new UnavailableError("the organization's caches change too fast; try again");
}

/** Of what comes in for an assignment that is no build. */
export async function visibilityOf(
  db: Queries,
  { evaluation }: Pick<TransferGrant, "evaluation">,
): Promise<Visibility> {
  return evaluation === null ? "shown" : visibilityOfEvaluation(db, evaluation);
}
