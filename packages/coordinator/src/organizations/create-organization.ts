import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/client.ts";
import { insertOrganization } from "../db/organization-repository.ts";
import { ConflictError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { sealedSshKey } from "../keys/organization-ssh-key.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";

export interface NewOrganization {
  name: string;
  displayName: string;
  description: string;
  isPublic: boolean;
  hidesBuildRequests: boolean;
}

/** Makes an organization with its own SSH key and the creator as Admin; returns its id. Throws BadRequestError, ConflictError. */
export async function createOrganization(
  dependencies: { database: Database; masterKey: MasterKey },
  creatorId: string,
  request: NewOrganization,
  now: number,
): Promise<string> {
  checkSlug("organization", request.name);
  checkDisplayName(request.displayName);
  const id = uuidv7();
  const row = {
    id,
    name: request.name,
    display_name: request.displayName,
    description: request.description,
    public: request.isPublic ? (1 as const) : (0 as const),
    hide_build_requests: request.hidesBuildRequests ? (1 as const) : (0 as const),
    ...sealedSshKey(dependencies.masterKey, id),
    managed: 0 as const,
    created_by: creatorId,
    created_at: now,
  };
  const isStored = await dependencies.database.transaction((tx) =>
    insertOrganization(tx.kysely, row, { userId: creatorId, role: "Admin" }),
  );
  if (isStored) return id;
  throw new ConflictError(`an organization named "${request.name}" exists already`, {
    code: "already_exists",
  });
}
