import type { Database } from "../db/client.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { applyApiKeys } from "./apply/api-keys.ts";
import type { Applying, Change } from "./apply/applying.ts";
import { applyCacheMembers, applyCaches } from "./apply/caches.ts";
import { applyIntegrations } from "./apply/integrations.ts";
import { applyLeft } from "./apply/left.ts";
import { applyOrganizationMembers, applyOrganizations } from "./apply/organizations.ts";
import { applyAliases, applyProjects } from "./apply/projects.ts";
import { applyRoles } from "./apply/roles.ts";
import { applySubscriptions } from "./apply/subscriptions.ts";
import { applyUpstreams } from "./apply/upstreams.ts";
import { applyLeftUsers, applyUsers } from "./apply/users.ts";
import { applyLeftWorkers, applyWorkers } from "./apply/workers.ts";
import type { Declared } from "./declared.ts";
import type { DeclaredSecrets } from "./read-secrets.ts";

export interface ApplyParts {
  readonly database: Database;
  readonly masterKey: MasterKey;
  /** Names the keys of new caches. */
  readonly serveUrl: string;
  /** The most evaluations that a project may keep; the file's number is cut to it. */
  readonly mostKept: number;
  /** Whether what an earlier file has declared, and this one does not, is removed. */
  readonly removesLeft: boolean;
  /** Whether a coordinator runs on the same data. */
  readonly isServed: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Only wanted to undo a transaction. */
class DryRun extends Error {
  override name = "DryRun";
}

/**
 * Makes the farm what the file declares, in one transaction, and resolves to what that changed: nothing when it is so already. A running coordinator
 * is told by notices. Throws ConflictError for what stands in the way; then nothing is changed.
 */
export function applyState(
  parts: ApplyParts,
  declared: Declared,
  secrets: DeclaredSecrets,
): Promise<readonly Change[]> {
  return parts.database.transaction(({ kysely: db }) =>
    applyAll({ ...parts, db, declared, secrets }),
  );
}

/** What applying the file would change. Throws as that does. */
export async function previewState(
  parts: ApplyParts,
  declared: Declared,
  secrets: DeclaredSecrets,
): Promise<readonly Change[]> {
  let changes: readonly Change[] = [];
  try {
    await parts.database.transaction(async ({ kysely: db }) => {
      changes = await applyAll({ ...parts, db, declared, secrets });
      throw new DryRun();
    });
  } catch (error) {
    if (!(error instanceof DryRun)) throw error;
  }
  return changes;
}

type Given = Omit<
  Applying,
  "changes" | "userIds" | "organizationIds" | "cacheIds" | "kept" | "told"
>;

async function applyAll(given: Given): Promise<readonly Change[]> {
  const applying: Applying = {
    ...given,
    changes: [],
    userIds: new Map(),
    organizationIds: new Map(),
    cacheIds: new Map(),
    kept: new Set(),
    told: new Set(),
  };
  await applyUsers(applying);
  await applyOrganizations(applying);
  await applyCaches(applying);
  await applyRoles(applying);
  await applyOrganizationMembers(applying);
  await applyCacheMembers(applying);
  await applyIntegrations(applying);
  await applyProjects(applying);
  await applyUpstreams(applying);
  await applySubscriptions(applying);
  await applyWorkers(applying);
  await applyApiKeys(applying);
  await applyLeftWorkers(applying);
  await applyLeft(applying);
  await applyAliases(applying);
  await applyLeftUsers(applying);
  return applying.changes;
}
