import type { OrganizationId } from "@gradient/protocol";
import { insertDirectBuild } from "../db/direct-build-repository.ts";
import type { Sources } from "../ports.ts";
import type { BuildSettings } from "../rules/build-settings.ts";
import type { Tags } from "../rules/tags.ts";
import type { ReceivedFiles } from "./receive-files.ts";

/** Stores the files as a source and queues its evaluation, outside of every project. Resolves to the evaluation's id. Throws BadRequestError, ConflictError. */
export async function startDirectBuild(
  sources: Sources,
  { organization, userId }: { organization: OrganizationId; userId: string },
  { tree, derivation }: ReceivedFiles,
  about: { tags: Tags; settings: BuildSettings },
): Promise<string> {
  const { evaluation } = await sources.evaluate({
    source: await sources.store(organization, tree.nar()),
    project: null,
    wildcard: derivation,
    inputOverrides: [],
    triggeredBy: userId,
    ...about,
    record: (db, evaluationId, now) =>
      insertDirectBuild(db, { organizationId: organization, evaluationId, derivation }, now),
  });
  return evaluation;
}
