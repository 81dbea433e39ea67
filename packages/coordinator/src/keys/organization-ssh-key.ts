import type { Queries } from "../db/client.ts";
import { findSealedSshKey } from "../db/organization-repository.ts";
import { NotFoundError } from "../errors.ts";
import type { MasterKey } from "./master-key.ts";
import { generateSshKey } from "./ssh-key.ts";

function context(organizationId: string): string {
  return `organization ${organizationId}`;
}

/** Columns of a new key pair for an organization: the public key in clear, the private key sealed. */
export function sealedSshKey(
  masterKey: MasterKey,
  organizationId: string,
): { ssh_public_key: string; ssh_private_key: string } {
  const pair = generateSshKey();
  return {
    ssh_public_key: pair.publicKey,
    ssh_private_key: masterKey.seal(pair.privateKey, context(organizationId)),
  };
}

/** The organization's private key as OpenSSH PEM text, for the one assignment that fetches with it. Throws NotFoundError, SealError. */
export async function openSshKey(
  db: Queries,
  masterKey: MasterKey,
  organizationId: string,
): Promise<string> {
  const row = await findSealedSshKey(db, organizationId);
  if (row === undefined) throw new NotFoundError(`organization ${organizationId} does not exist`);
  return masterKey.open(row.ssh_private_key, context(organizationId));
}
